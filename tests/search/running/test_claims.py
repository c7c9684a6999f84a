"""Two workers that would do the same: one of them does something else."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.claims import Claims
from paretune.search.database.engine import open_engine
from paretune.search.database.processes import process_space
from paretune.search.database.store import Store, existing_store
from paretune.search.errors import UserError
from paretune.search.running.opening import open_study
from paretune.search.running.worker import Worker
from paretune.search.sampling.proposer import Proposal, Proposer
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study

STUDY = """\
study: claims
evaluate: "claims_trainer:evaluate"
space: {width: {int: [1, 99]}, rate: {float: [0, 1]}}
objectives: {error: minimize, size: minimize}
search: {sampler: SAMPLER, seed: 5}
"""

CODE = """\
def evaluate(plan, report):
    return {"error": plan["rate"] / plan["width"], "size": float(plan["width"])}
"""

REASON = {"stage": "evaluate", "type": "InfeasibleCandidate", "text": "cannot exist"}


def study(folder: Path, sampler: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "claims_trainer.py").write_text(CODE)
    file = folder / "claims.yaml"
    file.write_text(STUDY.replace("SAMPLER", sampler))
    return file


def url(file: Path) -> str:
    return f"sqlite:///{file.with_suffix('') / 'study.db'}"


def trials_of(file: Path) -> list[TrialRecord]:
    with existing_store(url(file)) as store:
        return list(store.record().trials)


@contextmanager
def finished_when(
    file: Path, number: int, due: Callable[[list[TrialRecord]], bool]
) -> Iterator[None]:
    """Ends another worker's trial as soon as the trials are as wanted; a run waits for it."""
    over = threading.Event()

    def finish() -> None:
        with existing_store(url(file)) as store:
            while not due(list(store.record().trials)):
                if over.wait(0.05):
                    return
            store.finish(number, Result("infeasible", reason=REASON), "host")

    thread = threading.Thread(target=finish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_plan_that_another_worker_runs_is_not_begun(tmp_path: Path, cli: Any, sampler: str) -> None:
    alone, shared = study(tmp_path / "alone", sampler), study(tmp_path / "shared", sampler)
    assert cli("run", alone, "--trials", 3).code == 0
    third = trials_of(alone)[2]
    assert third.number == 3
    assert cli("run", shared, "--trials", 1).code == 0
    store = Store(open_engine(url(shared)))
    with Worker(store) as other:
        # It is at what this worker will want to do next but one, under another number.
        store.begin(
            2,
            other.id,
            Plan.from_json(third.plan),
            third.params,
            {"params": third.params, "attributes": {}},
        )
        with finished_when(shared, 2, lambda trials: trials[-1].number == 4):
            assert cli("run", shared, "--trials", 4).code == 0
        trials = trials_of(shared)
    store.close()
    assert [t.number for t in trials] == [1, 2, 3, 4]
    assert trials[1].reason == REASON, "that of the other worker"
    plans = [str(dict(t.params)) for t in trials]
    assert len(set(plans)) == len(plans)


@pytest.mark.slow
def test_last_trial_is_not_run_twice_when_another_worker_takes_it_first(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = study(tmp_path, "random")
    assert cli("run", file, "--trials", 1).code == 0
    store = Store(open_engine(url(file)))
    ask, asked = Proposer.ask, []

    def slowly(proposer: Proposer, number: int, same: int = 0) -> Proposal:
        proposal = ask(proposer, number, same)
        if not asked:
            plan = Plan((Stage("evaluate", {"width": 3, "rate": 0.5}),))
            params = {"width": 3, "rate": 0.5}
            store.begin(number, other.id, plan, params, {"params": params, "attributes": {}})
        asked.append(number)
        return proposal

    monkeypatch.setattr(Proposer, "ask", slowly)
    with Worker(store) as other:
        with finished_when(file, 2, lambda trials: bool(asked)):
            assert cli("run", file, "--trials", 2).code == 0
        assert (asked, len(trials_of(file))) == ([2], 2)
        assert cli("run", file, "--trials", 3).code == 0
        trials = trials_of(file)
    store.close()
    assert (asked, [t.state for t in trials]) == ([2, 3], ["complete", "infeasible", "complete"])
    assert trials[1].reason == REASON, "that of the other worker"


@pytest.mark.slow
def test_last_trial_goes_on_when_the_worker_that_was_about_to_begin_it_dies(
    tmp_path: Path, cli: Any
) -> None:
    file = study(tmp_path, "random")
    assert cli("run", file, "--trials", 1).code == 0
    store = Store(open_engine(url(file)))
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def due(trials: list[TrialRecord]) -> bool:
        """Kills the other process once the run waits for it, and then waits for the run."""
        if time.monotonic() > begun + 2:
            sleeper.kill()
            sleeper.wait()
        return len(trials) == 3 and trials[2].state == "complete"

    with Worker(store) as other:
        plan = Plan((Stage("evaluate", {"width": 3, "rate": 0.5}),))
        params = {"width": 3, "rate": 0.5}
        store.begin(2, other.id, plan, params, {"params": params, "attributes": {}})
        row = {"id": "dying", "host": socket.gethostname(), "pid": sleeper.pid}
        store.add_worker({**row, "process_started": 0.0}, process_space())
        assert Claims(store.engine).claim("dying").number == 3
        begun = time.monotonic()
        with finished_when(file, 2, due):
            assert cli("run", file, "--trials", 3).code == 0
    trials = trials_of(file)
    store.close()
    assert [(t.number, t.state) for t in trials] == [
        (1, "complete"), (2, "infeasible"), (3, "complete"),
    ]  # fmt: skip
    assert sleeper.returncode is not None, "the run did not take its number while it lived"


def test_two_studies_that_begin_at_one_moment_do_not_share_a_database(tmp_path: Path) -> None:
    file = study(tmp_path, "random")
    first, second = (open_study(load_study(file, [f"search.seed={s}"])) for s in (5, 6))
    first.register()  # both have seen that there is no study yet
    with pytest.raises(UserError, match=r"search\.seed: was 5, now 6"):
        second.register()
    first.close()
    second.close()
