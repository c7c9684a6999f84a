"""Goals that contradict each other, and margins to goals."""

from __future__ import annotations

import math

import pytest

from paretune.search.optimizing.goals import standings, worst_margin
from paretune.search.study.constraints import read_constraint
from paretune.search.study.contradictions import contradictions
from paretune.search.study.spec import Constraint
from support.optimizing import complete, measured

UNITS = {"accuracy": "fraction", "latency": "ms", "size": "bytes"}


def goals(*texts: str) -> list[Constraint]:
    return [read_constraint(text, UNITS) for text in texts]


@pytest.mark.parametrize(
    "texts",
    [
        ("latency <= 1 ms", "latency >= 2 ms"),
        ("latency <= 0.5 x baseline", "latency >= 0.6 x baseline"),
        ("accuracy >= baseline", "accuracy <= baseline - 2%"),
        ("size <= 1 KB", "accuracy >= baseline", "size >= 1 MB"),
    ],
)
def test_goals_that_cannot_hold_together_are_named(texts: tuple[str, ...]) -> None:
    [problem] = contradictions(goals(*texts))
    assert "contradict each other" in problem
    assert texts[0] in problem or texts[-1] in problem


@pytest.mark.parametrize(
    "texts",
    [
        ("latency <= 0.5 x baseline", "accuracy >= baseline - 1%"),
        ("latency <= 2 ms", "latency >= 0.5 x baseline"),  # depends on the baseline
        ("latency <= 2 ms", "latency <= 1 ms"),
        ("accuracy >= baseline + 5%",),
    ],
)
def test_goals_that_some_baseline_allows_are_accepted(texts: tuple[str, ...]) -> None:
    assert contradictions(goals(*texts)) == []


def test_goals_are_checked_against_the_measured_baseline() -> None:
    both = goals("latency <= 2 ms", "latency >= 0.5 x baseline")
    assert contradictions(both, {"latency": 3.0}) == []
    assert len(contradictions(both, {"latency": 5.0})) == 1
    [problem] = contradictions(goals("accuracy >= baseline + 5%"), {"accuracy": 0.97})
    assert "no accuracy is above 100 % (it asks for 102.0 %)" in problem


def test_bound_below_zero_is_refused() -> None:
    [problem] = contradictions(goals("latency <= -1 ms"))
    assert "no latency is below 0" in problem


def test_margin_is_the_share_of_the_way_from_the_baseline() -> None:
    base = measured(0.95, 2.0)
    two = goals("latency <= 0.5 x baseline", "accuracy >= baseline - 2%")
    stands = standings(measured(0.94, 1.5), two, base)
    assert stands is not None
    assert [s.bound for s in stands] == pytest.approx([1.0, 0.93])
    assert [s.margin for s in stands] == pytest.approx([-0.5, 0.5])
    assert [s.met for s in stands] == [False, True]
    assert worst_margin(complete(1, 0.94, 1.5), two, base) == pytest.approx(-0.5)


def test_margin_to_the_baseline_itself_counts_in_points() -> None:
    stands = standings(measured(0.94, 2.0), goals("accuracy >= baseline"), measured(0.95, 2.0))
    assert stands is not None
    assert stands[0].margin == pytest.approx(-1.0)


def test_trial_without_the_quantity_has_no_margin() -> None:
    size = goals("size <= 1 KB")
    assert standings(measured(0.9, 1.0), size, {}) is None
    assert worst_margin(complete(1, 0.9, 1.0), size, {}) == -math.inf
