"""A finite space is walked once, whatever the sampler proposes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.search.running.space_plans import MOST_PLANS, PATIENCE, SpacePlans
from paretune.search.sampling.samplers import SAMPLERS
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.spaces.domains import Choice, Fixed, Float, Int, Node, Record
from support.trainers import trainer_study

CONDITIONS = (
    "{depth: {choice: [1, 2, 3]}, mode: {choice: {plain: {}, "
    "deep: {layers: {int: [1, 2]}, wide: {choice: [true, false]}}}}}"
)


GP = pytest.param("gp", marks=pytest.mark.slow)


@pytest.mark.parametrize("sampler", [GP, *(name for name in SAMPLERS if name != "gp")])
def test_every_sampler_tries_each_plan_once_and_ends(tmp_path: Path, sampler: str) -> None:
    study = trainer_study(tmp_path, sampler=sampler)
    ending = study.run()
    assert ending.reason == study.reason == "all 5 plans are done"
    assert ending.ok and ending.over and ending.exhausted
    assert Counter(study.calls) == dict.fromkeys(range(1, 6), 1)


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsga2", GP, "grid", "evolution"])
def test_space_with_conditions_is_walked_once(tmp_path: Path, sampler: str) -> None:
    study = trainer_study(tmp_path, CONDITIONS, sampler)
    assert study.run().reason == "all 15 plans are done"
    plans = [str(t.plan) for t in study.record.trials if t.repeat_of is None]
    assert len(set(plans)) == len(plans) == 15


@pytest.mark.slow
def test_second_run_ends_at_once_with_the_same_words(tmp_path: Path) -> None:
    study = trainer_study(tmp_path)
    study.run()
    before = [t.number for t in study.record.trials]
    ending = study.run()
    assert (ending.reason, ending.ok) == ("all 5 plans are done", True)
    assert not study.started
    assert [t.number for t in study.record.trials] == before


def test_run_with_as_many_trials_as_plans_says_that_all_plans_are_done(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, trials=5)
    assert study.run().reason == "all 5 plans are done"


def test_run_with_fewer_trials_than_plans_can_be_extended(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, trials=3)
    ending = study.run()
    assert (ending.reason, ending.exhausted) == ("all 3 trials are done", False)
    assert study.run("search.trials=9").reason == "all 5 plans are done"
    assert sorted(study.calls) == [1, 2, 3, 4, 5]


def test_plan_of_the_baseline_is_not_run_again(tmp_path: Path) -> None:
    study = trainer_study(tmp_path)
    study.run("baseline={depth: 3}")
    assert Counter(study.calls) == dict.fromkeys(range(1, 6), 1)
    assert study.reason == "all 5 plans are done"
    assert study.events[0].trial_limit == 4  # type: ignore[union-attr]


def test_space_of_one_plan_ends_after_one_trial(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: 2}")
    assert study.run().reason == "the only plan is done"
    assert study.calls == [2]


def test_failed_plan_is_not_tried_again_by_the_search(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, sampler="tpe")
    study.fail(2, 4)
    assert study.run().reason == "all 5 plans are done"
    assert Counter(study.calls) == dict.fromkeys(range(1, 6), 1)
    assert sum(t.state == "failed" for t in study.record.trials) == 2


def test_grid_misses_no_plan_when_numbers_were_taken(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, trials=2)
    study.run()  # two numbers, with plans in another order than the grid's
    text = study.file.read_text().replace("sampler: random", "sampler: grid")
    study.file.write_text(text)
    (study.file.with_suffix("") / "study.db").rename(tmp_path / "old.db")
    study.run("search.trials=2")
    assert study.run("search.trials=50").reason == "all 5 plans are done"


def test_large_space_still_ends_when_the_sampler_only_repeats(tmp_path: Path) -> None:
    # More assignments than are listed, but few plans: the trainer's plan is the choice alone.
    space = f"{{depth: {{choice: [1, 2]}}, log: {{int: [1, {MOST_PLANS}]}}}}"
    study = trainer_study(tmp_path, space, trials=30)
    ending = study.run()
    assert ending.reason == "all 30 trials are done"


def test_optuna_has_the_trials_that_the_sampler_did_not_propose(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, CONDITIONS, "nsga2")
    study.run()
    url = f"sqlite:///{study.file.with_suffix('') / 'study.db'}"
    mirrored = optuna.load_study(study_name="depths", storage=url).trials
    assert [t.number for t in mirrored] == [t.number for t in study.record.trials]
    assert {t.state.name for t in mirrored} == {"COMPLETE"}


def test_paused_trials_are_raced_to_the_end_of_a_finite_space(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 9]}}")
    module = next(tmp_path.glob("depths_*.py"))
    module.write_text(
        module.read_text().replace(
            'report(1, error=1.0 / plan["depth"])',
            'for step in range(report.done + 1, 10): report(step, error=1.0 / plan["depth"])',
        )
    )
    ending = study.run("search.racing={first: 1, eta: 3, steps: 9}")
    assert ending.reason == "all 9 plans are done"
    states = Counter(t.state for t in study.record.trials if t.repeat_of is None)
    assert states.total() == 9
    assert states["complete"] >= 1 and states["stopped"] >= 1
    assert set(states) <= {"complete", "stopped"}


@pytest.mark.slow
def test_two_workers_walk_a_finite_space_once(tmp_path: Path, start: Callable[..., Any]) -> None:
    study = trainer_study(tmp_path, CONDITIONS)
    running = start("run", study.file, "--workers", 2)
    assert running.ended() == 0, running.log.read_text()
    assert "all 15 plans are done" in running.log.read_text()
    plans = [str(t.plan) for t in study.record.trials if t.repeat_of is None]
    assert len(set(plans)) == len(plans) == 15
    assert len(study.calls) == 15


# -- the plans themselves ----------------------------------------------------------------------


def plans_of(space: Node) -> SpacePlans:
    return SpacePlans(space, lambda value: Plan((Stage("evaluate", {"of": value}),)))


def key(value: object) -> str:
    return Plan((Stage("evaluate", {"of": value}),)).key


def test_assignments_with_the_same_plan_count_once() -> None:
    space = Choice((("a", Fixed(1)), ("b", Fixed(1)), ("c", Record((("x", Int(1, 2)),)))))
    assert plans_of(space).total(at_most=100) == 3


@pytest.mark.parametrize("space", [Float(0, 1), Record((("x", Int(1, MOST_PLANS + 1)),))])
def test_large_or_continuous_space_is_not_listed(space: Node) -> None:
    plans = plans_of(space)
    plans.add(key(0.5), "complete")
    assert plans.total(at_most=1e9) is None
    assert not plans.all_begun(at_end=True)
    assert plans.nearest_untried({}) is None
    assert not plans.is_spent(key(0.5), repeats=1000)


def test_repeats_are_left_to_the_sampler_for_a_while() -> None:
    plans = plans_of(Int(1, 3))
    plans.add(key(1), "complete")
    assert not plans.is_spent(key(1), PATIENCE - 1)
    assert plans.is_spent(key(1), PATIENCE)
    assert not plans.is_spent(key(2), PATIENCE)


def test_failed_and_running_plans_give_way_at_once() -> None:
    plans = plans_of(Int(1, 3))
    plans.add(key(1), "failed")
    plans.add(key(2), "running")
    assert plans.is_spent(key(1), 0) and plans.is_spent(key(2), 0)


def test_nearest_untried_plan_shares_most_values() -> None:
    space = Record((("x", Int(1, 2)), ("y", Int(1, 2)), ("z", Int(1, 2))))
    plans = plans_of(space)
    for value in ({"x": 2, "y": 2, "z": 2}, {"x": 2, "y": 2, "z": 1}):
        plans.add(key(value), "complete")
    assert plans.nearest_untried({"x": 2, "y": 2, "z": 2}) == {"x": 1, "y": 2, "z": 2}


def test_last_plan_is_noticed_when_assignments_outnumber_plans() -> None:
    plans = plans_of(Choice((("a", Fixed(1)), ("b", Fixed(1)))))
    plans.add(key(1), "complete")
    assert not plans.all_begun()
    assert plans.all_begun(at_end=True)
