"""The rank transform keeps the order of losses, and inverts."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.rank_transform import SLOPE_RANKS, RankTransform

LOSSES = np.array([[0.3, 5.0], [0.1, 5.0], [0.2, 7.0], [0.9, 5.0], [0.15, 1.0]])


def test_ranks_follow_the_order_and_equal_losses_share_a_rank() -> None:
    ranks = RankTransform(LOSSES).ranks
    assert ranks[:, 0].tolist() == [0.8, 0.2, 0.6, 1.0, 0.4]
    assert ranks[:, 1].tolist() == pytest.approx([0.6, 0.6, 1.0, 0.6, 0.2])


def test_inverse_of_the_ranks_is_the_losses() -> None:
    transform = RankTransform(LOSSES)
    assert transform.inverse(transform.ranks) == pytest.approx(LOSSES)


def test_inverse_interpolates_between_two_ranks() -> None:
    losses = RankTransform(LOSSES).inverse(np.array([[0.3, 0.4], [0.9, 0.8]]))
    assert losses == pytest.approx(np.array([[0.125, 3.0], [0.6, 6.0]]))


def test_inverse_extrapolates_below_the_best_and_stops_at_the_worst() -> None:
    [[below, _], [above, _]] = RankTransform(LOSSES).inverse(np.array([[0.0, 0.2], [1.4, 0.2]]))
    assert SLOPE_RANKS == 4 and below == pytest.approx(0.1 - 0.2 * (0.3 - 0.1) / 0.6)
    assert above == 0.9


@pytest.mark.parametrize("count", [1, 6])
def test_inverse_of_equal_losses_is_constant(count: int) -> None:
    losses = RankTransform(np.full((count, 1), 2.0)).inverse(np.array([[-1.0], [0.5], [2.0]]))
    assert losses.tolist() == [[2.0], [2.0], [2.0]]


def test_extreme_loss_does_not_change_the_ranks() -> None:
    with_outlier = LOSSES.copy()
    with_outlier[3, 0] = 1e9
    assert (RankTransform(with_outlier).ranks == RankTransform(LOSSES).ranks).all()
