"""Workers that only train hand their trials over to workers that only measure."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.running import measuring_loop
from paretune.search.running.recovery import NO_PROPOSAL, take_over_trial
from paretune.search.running.runner import Runner
from paretune.search.running.worker import Worker
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result
from paretune.search.study.role import Role
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Notice
from support.studies import record_of
from support.study_texts import TINY


class _OpenStudy:
    """A stand-in for an open study: its plans are trained, or not."""

    def __init__(self, store: Store, trained: bool) -> None:
        self.store = store
        self._trained = trained

    def trained(self, plan: Plan) -> bool:
        return self._trained


@pytest.mark.parametrize(
    ("role", "trained", "takes"),
    [
        (Role.ALL, True, True),
        (Role.ALL, False, True),
        (Role.TRAIN, True, False),
        (Role.TRAIN, False, True),
        (Role.MEASURE, True, True),
        (Role.MEASURE, False, False),
    ],
)
@pytest.mark.parametrize("owner", ["handed over", "dead", "stopped"])
def test_worker_takes_the_trials_of_its_role(
    tmp_path: Path, role: Role, trained: bool, takes: bool, owner: str
) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    store.begin(3, "other", Plan((Stage("evaluate", {}),)), {}, NO_PROPOSAL)
    if owner == "handed over":
        assert store.hand_over(3, "other", {"pretrain": 2.0})
    if owner == "stopped":
        store.leave("other")
    study: Any = _OpenStudy(store, trained)
    with Worker(store, role) as worker:
        task = take_over_trial(study, worker, store.running())
        assert (task is not None) == takes
        if task is not None:
            assert task.taken_over == (owner != "handed over")
            assert task.left == (owner == "stopped")
            assert task.spent == ({"pretrain": 2.0} if owner == "handed over" else {})
    store.close()


def test_worker_that_ends_leaves_its_running_trials_only(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    with Worker(store) as worker:
        for number, owner in ((1, "other"), (2, worker.id), (3, worker.id)):
            plan = Plan((Stage("evaluate", {"x": number}),))
            store.begin(number, owner, plan, {}, NO_PROPOSAL)
        assert store.finish(2, Result("stopped"), "host", worker=worker.id) is not None
    assert {row["number"]: row["worker"] for row in store.running()} == {1: "other", 3: "left"}
    assert not store.is_owner(3, worker.id)  # what a slow thread of it still writes is dropped
    assert store.take_over(3, "left", "second") and not store.take_over(3, "left", "third")
    store.close()


def test_trial_of_another_worker_is_not_handed_over(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    store.begin(3, "other", Plan((Stage("evaluate", {}),)), {}, NO_PROPOSAL)
    assert not store.hand_over(3, "slow", {})
    assert store.running()[0]["worker"] == "other"
    store.close()


def test_role_of_a_worker_is_gone_when_it_leaves(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    with Worker(store, Role.TRAIN) as train, Worker(store, Role.MEASURE) as measure:
        assert store.roles() == {train.id: "train", measure.id: "measure"}
        assert measure.trainers() == {train.id}
    assert store.roles() == {}
    store.close()


def test_own_trainer_refuses_to_be_split(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "whole.py").write_text("def evaluate(plan, report): ...\n")
    file = tmp_path / "study.yaml"
    file.write_text(
        'evaluate: "whole:evaluate"\nspace: {x: {int: [1, 4]}}\n'
        "objectives: {error: {minimize: fraction}}\n"
    )
    result = cli("worker", file, "--only", "train")
    assert result.code == 2
    assert "--only train: `evaluate` trains and measures in one call" in result.err


@pytest.mark.slow
def test_killed_measuring_worker_loses_nothing_and_training_takes_no_times(
    tmp_path: Path, start: Callable[..., Any]
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    train = start("worker", file, "--only", "train", "--threads", 1)
    assert _logged(train, "waiting for a worker that measures the baseline")
    assert record_of(file).trials[0].measurements == {}
    first = start("worker", file, "--only", "measure", "--threads", 1)
    assert _logged(first, "baseline   ")
    first.ended(signal.SIGKILL)
    second = start("worker", file, "--only", "measure", "--threads", 1)
    assert (train.ended(), second.ended()) == (0, 0), second.log.read_text()
    record = record_of(file)
    assert {trial.state for trial in record.trials} <= {"complete", "infeasible"}
    assert sum(trial.of_search for trial in record.trials if trial.number) == 6
    assert "everything is trained" in train.log.read_text()
    assert "all 6 trials are done" in second.log.read_text()
    assert "latency" not in train.log.read_text()
    last = train.log.read_text().splitlines()[-1]  # whether a worker measured at that moment
    assert last in (f"  paretune status {file} --watch", f"  paretune worker {file} --only measure")
    *_, report, _, export, more = second.log.read_text().splitlines()
    assert report.endswith("report.html") and report.startswith("report: ")
    assert export.startswith(f"  paretune export {file} --pick knee")
    assert more == f"  paretune worker {file} --only measure --threads 1 --trials 12"


@pytest.mark.slow
def test_measuring_worker_leaves_after_a_run_that_its_time_has_ended(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    assert cli("run", file, "--time", "1s").code == 0
    monkeypatch.setattr(measuring_loop, "TRAINERS_COME", 0.2)
    events: list[Any] = []
    end = Runner(load_study(file), events.append, joins=True, role=Role.MEASURE).run()
    assert (end.reason, end.again, end.over) == ("the time of 1 s is spent", True, False)
    [wait] = [event.text for event in events if isinstance(event, Notice)]
    assert "waiting up to 0.2 s for a worker that trains" in wait


def _logged(process: Any, text: str) -> bool:
    while process.process.poll() is None:
        if text in process.log.read_text():
            return True
        time.sleep(0.1)
    return text in process.log.read_text()
