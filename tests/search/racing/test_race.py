"""A race in a real database: who goes on, who waits, and two workers that want the same trial."""

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
WAITS = {"stage": "evaluate", "type": "Racing", "text": "not among the best"}


@dataclass
class Made:
    """A database, and a race as each of two workers opens it."""

    store: Store
    rungs: Rungs
    race: Race
    other: Race

    def reached(self, trial: int, accuracy: float | None, size: float = 1.0) -> str | None:
        """A trial begins and reports its first step."""
        self.store.begin(trial, "me", Plan((Stage("evaluate", {"n": trial}),)), {}, {"params": {}})
        said = self.race.pause_check(trial, {"size": size})(1, {"accuracy": accuracy})
        if said is not None:
            self.race.pause(trial, Result("paused", {"size": size}, reason=WAITS))
        return said


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    params, rungs = RacingParams(steps=9), Rungs(engine)
    store = Store(engine)
    yield Made(store, rungs, Race(params, AXES, rungs), Race(params, AXES, Rungs(engine)))
    store.close()


def test_first_trials_wait_and_the_best_of_three_goes_on(made: Made) -> None:
    assert made.reached(1, 0.5) == "after step 1 of 9 not among the best 0 of 1"
    assert made.reached(2, 0.4) is not None
    assert made.reached(3, 0.9) is None
    assert [(r.trial, r.promoted) for r in made.rungs.at(1)] == [(1, False), (2, False), (3, True)]


def test_waiting_trial_is_called_up_once_it_is_among_the_best(made: Made) -> None:
    made.reached(1, 0.9)
    made.reached(2, 0.4)
    assert made.race.resume_next(made.race.paused_trials(), "me") is None
    made.reached(3, 0.3)
    row = made.other.resume_next(made.other.paused_trials(), "you")
    assert row is not None and row["number"] == 1
    trial = made.store.trial(1)
    assert trial is not None and trial.state == "running"
    assert made.rungs.promoted_rungs(1) == {1}


def test_two_workers_never_call_up_the_same_trial(made: Made) -> None:
    for trial, accuracy in enumerate((0.9, 0.8, 0.3, 0.2, 0.1, 0.0), 1):
        made.reached(trial, accuracy)
    seen = made.race.paused_trials(), made.other.paused_trials()  # both, before either has acted
    first = made.race.resume_next(seen[0], "me")
    second = made.other.resume_next(seen[1], "you")
    assert {row["number"] for row in (first, second) if row is not None} == {1, 2}
    assert made.race.resume_next(made.race.paused_trials(), "me") is None


def test_trial_taken_up_again_is_not_held_up_where_it_went_on(made: Made) -> None:
    for trial, accuracy in enumerate((0.1, 0.2, 0.9), 1):
        made.reached(trial, accuracy)
    again = made.other.pause_check(3, {})
    assert again(1, {"accuracy": 0.0}) is None
    assert again(2, {"accuracy": 0.0}) is None
    assert again(3, {"accuracy": 0.95}) == "after step 3 of 9 not among the best 0 of 1"
    assert made.rungs.at(1)[2].values == {"accuracy": 0.9, "size": 1.0}


def test_what_is_known_exactly_goes_before_what_is_told(made: Made) -> None:
    made.race.pause_check(7, {"size": 2.0})(1, {"accuracy": 0.5, "size": 99.0, "loss": 3.0})
    assert made.rungs.at(1)[0].values == {"accuracy": 0.5, "size": 2.0}


def test_small_trial_goes_on_beside_an_accurate_one(made: Made) -> None:
    for trial, (accuracy, size) in enumerate(
        ((0.9, 9.0), (0.2, 9.0), (0.3, 8.0), (0.1, 7.0), (0.2, 8.0), (0.1, 1.0)), 1
    ):
        made.reached(trial, accuracy, size)
    row = made.race.resume_next(made.race.paused_trials(), "me")
    assert row is not None and row["number"] == 1
    assert made.rungs.promoted_rungs(6) == {1}


def test_diverged_trial_waits_for_ever(made: Made) -> None:
    for trial in range(1, 4):
        assert made.reached(trial, None) is not None
    assert made.race.resume_next(made.race.paused_trials(), "me") is None


def test_last_step_is_no_rung(made: Made) -> None:
    pause_check = made.race.pause_check(1, {})
    assert pause_check(9, {"accuracy": 0.0}) is None
    assert pause_check(12, {}) is None


def test_report_without_an_objective_is_refused(made: Made) -> None:
    for values in ({"loss": 1.0}, {"size": 1.0}):
        with pytest.raises(
            MissingObjective, match=r"compares trials by accuracy, size, and report\(1"
        ):
            made.race.pause_check(1, {"size": 1.0})(1, values)


def test_stopped_trial_keeps_its_last_values(made: Made) -> None:
    made.reached(1, 0.5)
    [row] = made.race.paused_trials()
    stopped = made.race.stop(row)
    assert stopped is not None
    trial = made.store.trial(1)
    assert trial is not None
    assert (trial.state, trial.values, trial.held_by_racing) == ("stopped", {"size": 1.0}, True)
    assert trial.finished == stopped[1]
    assert made.race.stop(row) is None, "another worker was quicker"
    assert not trial.feasible
