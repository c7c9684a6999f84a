"""Who is best among several losses: cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.racing.ranking import best, ranks, spread_order

LOSSES = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [5.0, 5.0]])


def test_rank_counts_the_fronts_to_be_taken_away_first() -> None:
    assert ranks(LOSSES).tolist() == [0, 0, 0, 1, 2]
    assert ranks(np.empty((0, 2))).tolist() == []


def test_spread_begins_with_the_least_first_loss_and_takes_the_farthest() -> None:
    # Scaled: (0, 1), (1/3, 1/3), (1, 0); from the first the last is farther (sqrt 2 > .75).
    assert spread_order(LOSSES[:3]) == [0, 2, 1]


def test_spread_knows_no_units() -> None:
    assert spread_order(LOSSES[:3] * [1.0, 1e6]) == [0, 2, 1]


def test_spread_of_equal_rows_takes_each_once() -> None:
    assert spread_order(np.ones((4, 3))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("wanted", "rows"), [(0, []), (1, [0]), (2, [0, 2]), (4, [0, 2, 1, 3]), (9, [0, 2, 1, 3, 4])]
)
def test_best_takes_front_after_front(wanted: int, rows: list[int]) -> None:
    assert best(LOSSES, wanted) == rows


def test_one_loss_is_ranked_as_by_size() -> None:
    assert best(np.array([[3.0], [1.0], [2.0]]), 3) == [1, 2, 0]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be NaN"):
        best(np.array([[float("nan"), 1.0]]), 1)
