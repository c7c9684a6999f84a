"""The boxes that a front leaves free give the same gains as two hypervolumes."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.free_boxes import FreeBoxes


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 30, 150])
@pytest.mark.parametrize("has_ties", [False, True])
def test_added_volume_is_the_difference_of_two_hypervolumes(
    objectives: int, count: int, has_ties: bool
) -> None:
    random = np.random.default_rng(0)
    every, points = random.random((count, objectives)), 1.5 * random.random((40, objectives)) - 0.5
    if has_ties:
        every, points = np.round(5 * every) / 5, np.round(5 * points) / 5
    front, reference = every[non_dominated(every)], np.full(objectives, 1.05)
    boxes = FreeBoxes.of(front)
    expected = [
        hypervolume(np.vstack([front, point]), reference) - hypervolume(front, reference)
        for point in points
    ]
    assert max(expected) > 0
    assert boxes.added_volumes(points, reference) == pytest.approx(expected, abs=1e-12)
    assert len(boxes.low) <= 2 * len(front) + 1


def test_point_that_a_member_dominates_adds_exactly_nothing() -> None:
    random = np.random.default_rng(1)
    every = random.random((60, 3))
    front = every[non_dominated(every)]
    behind = np.vstack([front, front + 0.3 * random.random(front.shape)])
    assert FreeBoxes.of(front).added_volumes(behind, np.full(3, 2.0)).tolist() == [0.0] * len(
        behind
    )


def test_boxes_of_a_staircase_are_its_strips() -> None:
    boxes = FreeBoxes.of(np.array([[1.0, 3.0], [2.0, 1.0]]))
    corners = sorted(zip(boxes.low.tolist(), boxes.high.tolist(), strict=True))
    assert corners == [
        ([-np.inf, -np.inf], [1.0, np.inf]),
        ([1.0, -np.inf], [2.0, 3.0]),
        ([2.0, -np.inf], [np.inf, 1.0]),
    ]
