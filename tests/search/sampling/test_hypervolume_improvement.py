"""The hypervolume improvement agrees with the difference of two hypervolumes."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.hypervolume_improvement import HypervolumeImprovement

NOTHING = np.empty((0, 0))


def added(front: np.ndarray, points: np.ndarray, reference: np.ndarray) -> float:
    """Returns what points add to a front, as the difference of two hypervolumes."""
    both = np.vstack([front, points]) if len(front) else points
    return hypervolume(both, reference) - hypervolume(front, reference)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("has_front", [False, True])
def test_improvement_of_a_network_is_the_joint_gain_of_its_points(
    objectives: int, each: int, has_front: bool
) -> None:
    random = np.random.default_rng(0)
    all_losses = random.random((30, objectives))
    front = all_losses[non_dominated(all_losses)] if has_front else NOTHING
    losses = 0.6 * random.random((20 * each, objectives)) - 0.05
    owners = np.repeat(np.arange(20), each)
    improvement = HypervolumeImprovement(
        front, all_losses, losses[None], owners, np.zeros((1, len(losses)), dtype=bool)
    )
    reference = all_losses.max(axis=0) + 0.1 * np.ptp(all_losses, axis=0)
    expected = [added(front, losses[owners == index], reference) for index in range(20)]
    assert max(expected) > 0
    assert [improvement.of(index) for index in range(20)] == pytest.approx(expected, abs=1e-12)
    assert (improvement.bounds >= np.array(expected) - 1e-12).all()
    if objectives < 4:
        alone = [added(front, losses[[index]], reference) for index in range(len(losses))]
        assert improvement.points == pytest.approx(alone, abs=1e-12)


def test_excluded_point_adds_nothing_and_is_not_the_best() -> None:
    losses = np.array([[0.1, 0.1], [0.5, 0.5], [0.2, 0.2]])
    all_losses = np.array([[0.6, 0.9], [0.9, 0.6]])
    excluded = np.array([[True, False, True]])
    improvement = HypervolumeImprovement(
        all_losses, all_losses, losses[None], np.array([0, 0, 1]), excluded
    )
    assert improvement.of(0) == pytest.approx(
        added(all_losses, losses[1:2], np.array([0.93, 0.93]))
    )
    assert improvement.best_point(0) == 1
    assert improvement.of(1) == improvement.bounds[1] == 0


def test_distance_is_that_to_the_nearest_point_of_the_front() -> None:
    front = np.array([[0.0, 2.0], [1.0, 0.0]])  # one wide, and two
    losses = np.array([[0.2, 2.5], [1.0, 0.0], [1.5, 1.0]])
    improvement = HypervolumeImprovement(
        front, front, losses[None], np.arange(3), np.zeros((1, 3), dtype=bool)
    )
    assert improvement.distances == pytest.approx([0.25, 0.0, 0.5])


def test_improvement_is_the_mean_over_draws() -> None:
    random = np.random.default_rng(1)
    all_losses = random.random((12, 3))
    front, owners = all_losses[non_dominated(all_losses)], np.repeat(np.arange(6), 2)
    draws, excluded = 0.6 * random.random((4, 12, 3)), random.random((4, 12)) < 0.2
    expected = HypervolumeImprovement(front, all_losses, draws, owners, excluded)
    each = [
        HypervolumeImprovement(front, all_losses, draws[[i]], owners, excluded[[i]])
        for i in range(4)
    ]
    assert [expected.of(index) for index in range(6)] == pytest.approx(
        np.mean([[one.of(index) for index in range(6)] for one in each], axis=0)
    )
    assert all(expected.bounds[index] >= expected.of(index) for index in range(6))
    assert expected.distances == pytest.approx(np.mean([one.distances for one in each], axis=0))
