"""Quantities as ranks, and back."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.rank_transform import FEW, RankTransform

TOLD = np.array([[0.3, 5.0], [0.1, 5.0], [0.2, 7.0], [0.9, 5.0], [0.15, 1.0]])


def test_ranks_are_the_order_and_equal_values_share_one() -> None:
    ranks = RankTransform(TOLD).of
    assert ranks[:, 0].tolist() == [0.8, 0.2, 0.6, 1.0, 0.4]
    assert ranks[:, 1].tolist() == pytest.approx([0.6, 0.6, 1.0, 0.6, 0.2])


def test_values_of_ranks_are_the_values_told() -> None:
    ranks = RankTransform(TOLD)
    assert ranks.values(ranks.of) == pytest.approx(TOLD)


def test_value_between_two_ranks_lies_between_their_values() -> None:
    found = RankTransform(TOLD).values(np.array([[0.3, 0.4], [0.9, 0.8]]))
    assert found == pytest.approx(np.array([[0.125, 3.0], [0.6, 6.0]]))


def test_beyond_the_best_it_goes_on_as_the_best_few_lie_and_stops_at_the_worst() -> None:
    [[below, _], [above, _]] = RankTransform(TOLD).values(np.array([[0.0, 0.2], [1.4, 0.2]]))
    assert FEW == 4 and below == pytest.approx(0.1 - 0.2 * (0.3 - 0.1) / 0.6)
    assert above == 0.9


@pytest.mark.parametrize("count", [1, 6])
def test_equal_values_have_one_value_at_every_rank(count: int) -> None:
    found = RankTransform(np.full((count, 1), 2.0)).values(np.array([[-1.0], [0.5], [2.0]]))
    assert found.tolist() == [[2.0], [2.0], [2.0]]


def test_one_that_lies_far_off_does_not_move_the_others() -> None:
    far = TOLD.copy()
    far[3, 0] = 1e9
    assert (RankTransform(far).of == RankTransform(TOLD).of).all()
