"""A race in a real database pauses and resumes trials, also when two workers want the same one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store
from paretune.search.racing.race import MissingObjective, Race
from paretune.search.study.plan import Plan
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis, Result
from paretune.search.study.stage import Stage

AXES = (Axis("accuracy", "fraction", "higher"), Axis("size", "bytes", "lower"))
NOT_AMONG_BEST = {"stage": "evaluate", "type": "Racing", "text": "not among the best"}


@dataclass
class TwoWorkers:
    """A database, and the race as each of two workers opens it."""

    store: Store
    rungs: Rungs
    race: Race
    other: Race

    def report(self, trial: int, accuracy: float | None, size: float = 1.0) -> str | None:
        """Begins a trial and reports its first step; returns why it is paused, or None."""
        self.store.begin(trial, "me", Plan((Stage("evaluate", {"n": trial}),)), {}, {"params": {}})
        reason = self.race.pause_check(trial, {"size": size})(1, {"accuracy": accuracy})
        if reason is not None:
            self.race.pause(trial, Result("paused", {"size": size}, reason=NOT_AMONG_BEST))
        return reason


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[TwoWorkers]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    params, rungs = RacingParams(steps=9), Rungs(engine)
    store = Store(engine)
    yield TwoWorkers(store, rungs, Race(params, AXES, rungs), Race(params, AXES, Rungs(engine)))
    store.close()


def test_first_trials_are_paused_and_the_best_of_three_goes_on(workers: TwoWorkers) -> None:
    assert workers.report(1, 0.5) == "after step 1 of 9 not among the best 0 of 1"
    assert workers.report(2, 0.4) is not None
    assert workers.report(3, 0.9) is None
    assert [(r.trial, r.promoted) for r in workers.rungs.at(1)] == [
        (1, False),
        (2, False),
        (3, True),
    ]


def test_paused_trial_is_resumed_when_it_is_among_the_best(workers: TwoWorkers) -> None:
    workers.report(1, 0.9)
    workers.report(2, 0.4)
    assert workers.race.resume_next(workers.race.paused_trials(), "me") is None
    workers.report(3, 0.3)
    row = workers.other.resume_next(workers.other.paused_trials(), "you")
    assert row is not None and row["number"] == 1
    trial = workers.store.trial(1)
    assert trial is not None and trial.state == "running"
    assert workers.rungs.promoted_rungs(1) == {1}


def test_two_workers_never_resume_the_same_trial(workers: TwoWorkers) -> None:
    for trial, accuracy in enumerate((0.9, 0.8, 0.3, 0.2, 0.1, 0.0), 1):
        workers.report(trial, accuracy)
    paused = (
        workers.race.paused_trials(),
        workers.other.paused_trials(),
    )  # both, before either has acted
    first = workers.race.resume_next(paused[0], "me")
    second = workers.other.resume_next(paused[1], "you")
    assert {row["number"] for row in (first, second) if row is not None} == {1, 2}
    assert workers.race.resume_next(workers.race.paused_trials(), "me") is None


def test_resumed_trial_is_not_paused_again_at_a_rung_that_it_left(workers: TwoWorkers) -> None:
    for trial, accuracy in enumerate((0.1, 0.2, 0.9), 1):
        workers.report(trial, accuracy)
    check = workers.other.pause_check(3, {})
    assert check(1, {"accuracy": 0.0}) is None
    assert check(2, {"accuracy": 0.0}) is None
    assert check(3, {"accuracy": 0.95}) == "after step 3 of 9 not among the best 0 of 1"
    assert workers.rungs.at(1)[2].values == {"accuracy": 0.9, "size": 1.0}


def test_exact_values_replace_reported_ones(workers: TwoWorkers) -> None:
    workers.race.pause_check(7, {"size": 2.0})(1, {"accuracy": 0.5, "size": 99.0, "loss": 3.0})
    assert workers.rungs.at(1)[0].values == {"accuracy": 0.5, "size": 2.0}


def test_small_trial_goes_on_as_well_as_an_accurate_one(workers: TwoWorkers) -> None:
    for trial, (accuracy, size) in enumerate(
        ((0.9, 9.0), (0.2, 9.0), (0.3, 8.0), (0.1, 7.0), (0.2, 8.0), (0.1, 1.0)), 1
    ):
        workers.report(trial, accuracy, size)
    row = workers.race.resume_next(workers.race.paused_trials(), "me")
    assert row is not None and row["number"] == 1
    assert workers.rungs.promoted_rungs(6) == {1}


def test_diverged_trials_are_never_resumed(workers: TwoWorkers) -> None:
    for trial in range(1, 4):
        assert workers.report(trial, None) is not None
    assert workers.race.resume_next(workers.race.paused_trials(), "me") is None


def test_no_trial_is_paused_at_its_last_step(workers: TwoWorkers) -> None:
    check = workers.race.pause_check(1, {})
    assert check(9, {"accuracy": 0.0}) is None
    assert check(12, {}) is None


def test_report_without_an_objective_is_refused(workers: TwoWorkers) -> None:
    for values in ({"loss": 1.0}, {"size": 1.0}):
        with pytest.raises(
            MissingObjective, match=r"compares trials by accuracy, size, and report\(1"
        ):
            workers.race.pause_check(1, {"size": 1.0})(1, values)


def test_stopped_trial_keeps_its_last_values(workers: TwoWorkers) -> None:
    workers.report(1, 0.5)
    [row] = workers.race.paused_trials()
    stopped = workers.race.stop(row)
    assert stopped is not None
    trial = workers.store.trial(1)
    assert trial is not None
    assert (trial.state, trial.values, trial.held_by_racing) == ("stopped", {"size": 1.0}, True)
    assert trial.finished == stopped[1]
    assert workers.race.stop(row) is None, "another worker was quicker"
    assert not trial.feasible
