"""Means over seeds: their intervals, and the front that they decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from paretune.objectives.base import Measurement
from paretune.search.front.final_front import with_final_front
from paretune.search.front.seed_means import (
    T95,
    decided_trials,
    seed_mean,
    t_quantile,
    with_own_networks,
    with_seed_means,
)
from paretune.search.front.seed_outcome import seed_outcome
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.study.seed_results import SeedResult

AXES = (Axis("accuracy", "fraction", "higher"), Axis("size", "bytes", "lower"))
REPEATS: dict[str, Any] = {"search": {"repeats": 3}}


def accuracy(value: float, half: float = 0.0) -> Measurement:
    return Measurement("accuracy", value, "fraction", "higher", value - half, value + half, 100)


def trial(number: int, right: float, size: float, *others: float, **fields: Any) -> TrialRecord:
    """Returns a trial; `others` are the accuracies of its further trainings."""
    exact = Measurement("size", size, "bytes", "lower", size, size)
    seeds = tuple(
        SeedResult(repeat, "complete", {"accuracy": accuracy(value)})
        for repeat, value in enumerate(others, 1)
    )
    return TrialRecord(
        number,
        "complete",
        {},
        [],
        values={"accuracy": right, "size": size},
        measurements={"accuracy": accuracy(right), "size": exact},
        seeds=seeds,
        **fields,
    )


def study(*trials: TrialRecord, front: tuple[int, ...], source: Any = REPEATS) -> StudyRecord:
    return StudyRecord("made", source, AXES, trials, growth=(FrontPoint(1, 0.0, 0.5, front),))


def test_quantiles_of_student_are_those_of_scipy() -> None:
    expected = stats.t.ppf(0.975, range(1, len(T95) + 1))
    assert list(T95) == pytest.approx(expected, abs=5e-4)
    assert t_quantile(200) == T95[-1]


def test_interval_of_a_mean_adds_spread_between_seeds_and_error_of_the_examples() -> None:
    mean = seed_mean(accuracy(0.90, 0.03), [accuracy(0.92, 0.03), accuracy(0.88, 0.03)])
    seeds = stats.t.ppf(0.975, 2) * 0.02 / 3**0.5
    assert mean.value == pytest.approx(0.90)
    assert mean.high - mean.value == pytest.approx((seeds**2 + 0.03**2) ** 0.5, rel=1e-3)
    assert mean.conditions["seeds"] == {
        "count": 3,
        "values": [0.90, 0.92, 0.88],
        "deviation": pytest.approx(0.02),
        "single": 0.90,
    }


def test_interval_of_equal_seeds_is_that_of_the_examples_and_ends_at_one() -> None:
    mean = seed_mean(accuracy(0.99, 0.03), [accuracy(0.99, 0.03)])
    assert (mean.low, mean.high) == (pytest.approx(0.96), 1.0)


def test_lucky_member_leaves_the_front_and_unlucky_trial_comes_in() -> None:
    record = with_final_front(
        study(
            trial(0, 0.80, 900),
            trial(1, 0.95, 500, 0.89, 0.89),  # a lucky first training
            trial(2, 0.94, 500, 0.94, 0.94),  # dominated by the luck of 1
            trial(3, 0.96, 500),  # was not trained again
            front=(1,),
        )
    )
    assert record.members == {2}
    outcome = seed_outcome(record)
    assert outcome is not None and outcome.decided
    assert outcome.not_confirmed == {1: "dominated by its mean"}
    assert outcome.came_in == (2,)
    assert outcome.luck == {"accuracy": pytest.approx(0.06)}
    first = record.trials[1]
    assert first.values["accuracy"] == pytest.approx(0.91)
    assert with_own_networks(record).trials[1].measurements["accuracy"].value == 0.95


def test_front_is_that_of_the_search_until_every_member_was_trained_again() -> None:
    record = study(trial(1, 0.95, 500, 0.89), trial(2, 0.90, 400), front=(1, 2))
    assert decided_trials(record) is None
    final = with_final_front(record)
    assert final.members == {1, 2} and final.final_members is None
    outcome = seed_outcome(final)
    assert outcome is not None and not outcome.decided and outcome.done == 1


REASON = {"stage": "finetune", "type": "E", "text": "the loss is not finite"}


def test_unusable_network_and_broken_constraint_are_not_confirmed() -> None:
    infeasible = SeedResult(1, "infeasible", reason=REASON)
    broken = {"accuracy >= baseline - 1%": -0.1}
    record = with_final_front(
        study(
            trial(0, 0.90, 900),
            replace(trial(1, 0.95, 500), seeds=(infeasible,)),
            trial(2, 0.91, 400, 0.85, 0.85, violations=broken),
            trial(3, 0.90, 300, 0.90, 0.90),
            front=(1, 2, 3),
        )
    )
    outcome = seed_outcome(record)
    assert record.members == {3}
    assert outcome is not None
    assert outcome.not_confirmed == {
        1: "seed 2 infeasible in finetune: the loss is not finite",
        2: "breaks accuracy >= baseline - 1% in the mean",
    }


def test_training_with_an_error_decides_nothing_and_is_named() -> None:
    failed = SeedResult(1, "failed", reason=REASON)
    record = with_final_front(study(replace(trial(1, 0.95, 500), seeds=(failed,)), front=(1,)))
    outcome = seed_outcome(record)
    assert record.members == {1}
    assert outcome is not None and not outcome.decided and outcome.done == 0
    assert outcome.failed == {1: "seed 2 failed in finetune: the loss is not finite"}


def test_quantity_that_no_seed_changes_keeps_its_measurement() -> None:
    size = Measurement("size", 500, "bytes", "lower", 500, 500)
    seeds = (SeedResult(1, "complete", {"accuracy": accuracy(0.9), "size": size}),)
    record = with_final_front(study(replace(trial(1, 0.95, 500), seeds=seeds), front=(1,)))
    [first] = record.trials
    assert set(first.single["validation"]) == {"accuracy"}
    assert "seeds" not in first.measurements["size"].conditions


def test_member_without_a_training_of_its_own_stays_as_it_is() -> None:
    fixed = replace(trial(1, 0.95, 500), seeds=(SeedResult(0, "fixed"),))
    record = with_final_front(study(fixed, front=(1,)))
    assert record.members == {1} and record.trials[0].values["accuracy"] == 0.95
    outcome = seed_outcome(record)
    assert outcome is not None and outcome.fixed == (1,) and outcome.done == 0


@pytest.mark.parametrize("source", [{}, {"search": {"repeats": 1}}, {"search": "x"}])
def test_study_without_repeats_is_unchanged(source: Any) -> None:
    record = study(trial(1, 0.95, 500, 0.89, 0.89), front=(1,), source=source)
    assert with_seed_means(record) is record
    assert with_final_front(record) is record
    assert seed_outcome(record) is None


def test_only_as_many_trainings_count_as_the_study_asks_for() -> None:
    record = study(trial(1, 0.90, 500, 0.92, 0.10), front=(1,), source={"search": {"repeats": 2}})
    assert with_seed_means(record).trials[0].values["accuracy"] == pytest.approx(0.91)
