"""Fronts, hypervolumes and knees agree with brute force and closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paretune.search.front.pareto import (
    COST_REFERENCE,
    Front,
    dominates,
    hypervolume,
    knee,
    non_dominated,
    to_losses,
)
from paretune.search.study.records import Axis

# Few distinct values, so that ties and duplicates are common.
GRID = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def points(
    most: int = 12, least: int = 0, columns: tuple[int, int] = (1, 4)
) -> st.SearchStrategy[np.ndarray]:
    return st.integers(*columns).flatmap(
        lambda m: hnp.arrays(float, st.tuples(st.integers(least, most), st.just(m)), elements=GRID)
    )


def brute_force(losses: np.ndarray) -> list[bool]:
    return [
        not any(all(b <= a for a, b in zip(row, other, strict=True)) and list(other) != list(row)
                for other in losses)
        for row in losses
    ]  # fmt: skip


# -- dominance -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "better"),
    [
        ([1, 1], [2, 2], True),
        ([1, 2], [1, 3], True),
        ([1, 2], [1, 2], False),
        ([1, 3], [2, 2], False),
        ([2, 2], [1, 1], False),
        ([0, -math.inf], [0, 0], True),
    ],
)
def test_dominates_if_nowhere_worse_and_somewhere_better(
    a: list[float], b: list[float], better: bool
) -> None:
    assert dominates(np.array(a), np.array(b)) is better


def test_non_dominated_keeps_duplicates() -> None:
    losses = np.array([[1.0, 2], [2, 1], [1, 2], [2, 2], [3, 0]])

    assert non_dominated(losses).tolist() == [True, True, True, False, True]


def test_non_dominated_of_no_points_is_empty() -> None:
    assert non_dominated(np.empty((0, 2))).tolist() == []


@given(points())
def test_non_dominated_agrees_with_brute_force(losses: np.ndarray) -> None:
    assert non_dominated(losses).tolist() == brute_force(losses)


@given(points(least=1), st.randoms(use_true_random=False))
def test_non_dominated_does_not_depend_on_the_order(losses: np.ndarray, random: object) -> None:
    order = list(range(len(losses)))
    random.shuffle(order)  # type: ignore[attr-defined]

    assert non_dominated(losses[order]).tolist() == non_dominated(losses)[order].tolist()


@given(points(least=1))
def test_every_dominated_point_is_dominated_by_a_member_of_the_front(losses: np.ndarray) -> None:
    keep = non_dominated(losses)

    assert keep.any()
    for row in losses[~keep]:
        assert any(dominates(member, row) for member in losses[keep])


@pytest.mark.parametrize("function", [non_dominated, lambda losses: Front().add(0, losses[0])])
def test_nan_is_refused(function: object) -> None:
    with pytest.raises(ValueError, match="losses must not be NaN"):
        function(np.array([[math.nan, 1.0]]))  # type: ignore[operator]


# -- a front that grows --------------------------------------------------------------------------


def test_front_is_empty_at_first() -> None:
    front = Front()

    assert front.members == ()
    assert front.losses.size == 0


def test_front_adds_points_and_drops_dominated_ones() -> None:
    front = Front()

    assert front.add(3, np.array([2.0, 2.0]))
    assert front.add(5, np.array([1.0, 3.0]))
    assert not front.add(6, np.array([2.0, 3.0]))
    assert front.add(7, np.array([2.0, 2.0]))
    assert front.members == (3, 5, 7)
    assert front.add(9, np.array([2.0, 1.0]))
    assert front.members == (5, 9)
    assert front.losses.tolist() == [[1, 3], [2, 1]]


@given(points(most=20))
def test_front_of_added_points_is_that_of_all_points(losses: np.ndarray) -> None:
    front = Front()
    for number, row in enumerate(losses):
        before = front.members
        added = front.add(number, row)
        assert added == (number in front.members)
        assert added or front.members == before
        assert list(front.members) == np.flatnonzero(non_dominated(losses[: number + 1])).tolist()
    if len(losses):
        assert (front.losses == losses[list(front.members)]).all()


# -- hypervolume ---------------------------------------------------------------------------------


def union_of_boxes(losses: np.ndarray, reference: np.ndarray) -> float:
    """Returns the volume by inclusion and exclusion over all subsets."""
    total = 0.0
    for size in range(1, len(losses) + 1):
        for rows in itertools.combinations(losses, size):
            sides = np.maximum(reference - np.max(rows, axis=0), 0)
            total += (-1) ** (size + 1) * float(np.prod(sides))
    return total


@pytest.mark.parametrize(
    ("losses", "reference", "volume"),
    [
        ([[0.0, 0.0]], [1, 1], 1.0),
        ([[0.25, 0.5]], [1, 1], 0.375),
        ([[0.0, 0.5], [0.5, 0.0]], [1, 1], 0.75),
        ([[0.0, 0.5], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]], [1, 1], 0.75),
        ([[1.0, 0.0]], [1, 1], 0.0),
        ([[2.0, 0.0], [0.5, 0.5]], [1, 1], 0.25),
        ([[math.inf, 0.0], [0.5, 0.5]], [1, 1], 0.25),
        ([[0.0, 0.0, 0.0]], [2, 3, 4], 24.0),
        ([[0.3]], [1], 0.7),
    ],
)
def test_hypervolume_is_the_dominated_area(
    losses: list[list[float]], reference: list[float], volume: float
) -> None:
    assert hypervolume(np.array(losses), np.array(reference)) == pytest.approx(volume)


def test_hypervolume_of_no_points_is_zero() -> None:
    assert hypervolume(np.empty((0, 0)), np.array([1.0, 1.0])) == 0.0
    assert hypervolume(Front().losses, np.array([1.0, 1.0])) == 0.0


def test_hypervolume_of_a_fine_front_is_its_integral() -> None:
    # The area of points on x + y = 1 tends to half of the square: n boxes lack half a step.
    x = np.linspace(0, 1, 101)

    assert hypervolume(np.stack([x, 1 - x], 1), np.ones(2)) == pytest.approx(0.5 - 0.5 / 100)


@given(points(most=6, least=1))
def test_hypervolume_agrees_with_inclusion_and_exclusion(losses: np.ndarray) -> None:
    reference = np.full(losses.shape[1], 0.9)

    volume = hypervolume(losses, reference)

    assert volume == pytest.approx(union_of_boxes(losses, reference), abs=1e-9)


@given(points(most=10, least=1))
def test_hypervolume_is_that_of_the_front(losses: np.ndarray) -> None:
    reference = np.full(losses.shape[1], 0.9)

    volume = hypervolume(losses[non_dominated(losses)], reference)

    assert volume == pytest.approx(hypervolume(losses, reference), abs=1e-12)


@given(points(most=10, least=2))
def test_hypervolume_never_falls_when_a_point_is_added(losses: np.ndarray) -> None:
    reference = np.full(losses.shape[1], 0.9)

    assert hypervolume(losses, reference) >= hypervolume(losses[:-1], reference) - 1e-12


def test_hypervolume_agrees_with_random_darts() -> None:
    random = np.random.default_rng(0)
    losses, darts = random.random((15, 3)), random.random((40_000, 3))
    hit = (losses[:, None] <= darts[None]).all(axis=2).any(axis=0).mean()

    assert hypervolume(losses, np.ones(3)) == pytest.approx(hit, abs=0.01)


# -- losses --------------------------------------------------------------------------------------

AXES = (
    Axis("accuracy", "fraction", "higher"),
    Axis("latency", "ms", "lower"),
    Axis("throughput", "1/s", "higher"),
)


def test_losses_are_error_and_ratios_to_the_baseline() -> None:
    values = {"accuracy": 0.9, "latency": 1.0, "throughput": 50.0}
    baseline = {"accuracy": 0.95, "latency": 4.0, "throughput": 100.0}

    losses, reference = to_losses(values, AXES, baseline, classes=10)

    assert losses.tolist() == pytest.approx([0.1, 0.25, 2.0])
    assert reference.tolist() == pytest.approx([0.9, COST_REFERENCE, COST_REFERENCE])


def test_costs_of_the_baseline_are_one() -> None:
    values = {"accuracy": 0.5, "latency": 3.0, "throughput": 7.0}

    losses, _ = to_losses(values, AXES, values, classes=2)

    assert losses.tolist() == [0.5, 1.0, 1.0]


def test_ratio_to_zero_is_infinite_unless_both_are_zero() -> None:
    axes = (Axis("macs", "MACs", "lower"),)

    assert to_losses({"macs": 0.0}, axes, {"macs": 0.0}, 2)[0].tolist() == [1.0]
    assert to_losses({"macs": 5.0}, axes, {"macs": 0.0}, 2)[0].tolist() == [math.inf]


# -- the knee ------------------------------------------------------------------------------------


def test_knee_is_the_point_farthest_below_the_chord() -> None:
    x = np.linspace(0, 1, 21)
    front = np.stack([x, (1 - np.sqrt(x)) ** 2], 1)

    index = knee(front)

    below = (1 - front.sum(axis=1)) / math.sqrt(2)  # distance to the line x + y = 1
    assert index == int(below.argmax())
    assert 0 < index < 20


@pytest.mark.parametrize(
    ("front", "index"),
    [
        ([[3.0, 4.0]], 0),
        ([[0.0, 1.0], [1.0, 0.0]], 0),
        ([[0.0, 10.0], [0.1, 1.0], [1.0, 0.0]], 1),
        ([[1.0, 5.0], [1.0, 5.0]], 0),
        ([[0.0, 7.0], [0.5, 7.0]], 0),
    ],
)
def test_knee_of_a_small_front(front: list[list[float]], index: int) -> None:
    assert knee(np.array(front)) == index


@given(
    points(most=8, least=1),
    hnp.arrays(float, 4, elements=st.sampled_from([0.5, 1.0, 4.0])),
    hnp.arrays(float, 4, elements=st.sampled_from([-2.0, 0.0, 8.0])),
)
def test_knee_does_not_depend_on_the_units(
    losses: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> None:
    m = losses.shape[1]

    assert knee(losses * scale[:m] + shift[:m]) == knee(losses)


def test_knee_of_an_empty_front_is_refused() -> None:
    with pytest.raises(ValueError, match="an empty front has no knee"):
        knee(np.empty((0, 2)))
