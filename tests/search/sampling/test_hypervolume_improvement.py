"""What candidates add to a front, beside the hypervolume counted without any short cut."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.hypervolume_improvement import HypervolumeImprovement

NOTHING = np.empty((0, 0))


def added(front: np.ndarray, points: np.ndarray, reference: np.ndarray) -> float:
    """By two hypervolumes."""
    both = np.vstack([front, points]) if len(front) else points
    return hypervolume(both, reference) - hypervolume(front, reference)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("told", [False, True])
def test_gain_is_the_hypervolume_that_all_points_add(
    objectives: int, each: int, told: bool
) -> None:
    random = np.random.default_rng(0)
    every = random.random((30, objectives))
    front = every[non_dominated(every)] if told else NOTHING
    losses = 0.6 * random.random((20 * each, objectives)) - 0.05
    owners = np.repeat(np.arange(20), each)
    gains = HypervolumeImprovement(front, every, losses, owners, np.zeros(len(losses), dtype=bool))
    reference = every.max(axis=0) + 0.1 * np.ptp(every, axis=0)
    wanted = [added(front, losses[owners == place], reference) for place in range(20)]
    assert max(wanted) > 0
    assert [gains.of(place) for place in range(20)] == pytest.approx(wanted, abs=1e-12)
    assert (gains.bounds >= np.array(wanted) - 1e-12).all()


def test_worthless_point_adds_nothing_and_is_not_the_best() -> None:
    losses = np.array([[0.1, 0.1], [0.5, 0.5], [0.2, 0.2]])
    every = np.array([[0.6, 0.9], [0.9, 0.6]])
    gains = HypervolumeImprovement(
        every, every, losses, np.array([0, 0, 1]), np.array([True, False, True])
    )
    assert gains.of(0) == pytest.approx(added(every, losses[1:2], np.array([0.93, 0.93])))
    assert gains.best_point(0) == 1
    assert gains.of(1) == gains.bounds[1] == 0


def test_distance_is_how_far_a_point_lies_behind_the_nearest_of_the_front() -> None:
    front = np.array([[0.0, 2.0], [1.0, 0.0]])  # one wide, and two
    losses = np.array([[0.2, 2.5], [1.0, 0.0], [1.5, 1.0]])
    gains = HypervolumeImprovement(front, front, losses, np.arange(3), np.zeros(3, dtype=bool))
    assert gains.distances == pytest.approx([0.25, 0.0, 0.5])
