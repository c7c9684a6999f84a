"""Ranking by several losses agrees with cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.racing.ranking import best_rows, ranks, spread_order

LOSSES = np.array([[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [3.0, 3.0], [5.0, 5.0]])


def test_rank_is_the_number_of_fronts_before_the_row() -> None:
    assert ranks(LOSSES).tolist() == [0, 0, 0, 1, 2]
    assert ranks(np.empty((0, 2))).tolist() == []


def test_spread_order_begins_with_the_least_first_loss_and_goes_on_with_the_farthest() -> None:
    # Scaled: (0, 1), (1/3, 1/3), (1, 0); from the first the last is farther (sqrt 2 > .75).
    assert spread_order(LOSSES[:3]) == [0, 2, 1]


def test_spread_order_does_not_depend_on_units() -> None:
    assert spread_order(LOSSES[:3] * [1.0, 1e6]) == [0, 2, 1]


def test_spread_order_of_equal_rows_has_each_once() -> None:
    assert spread_order(np.ones((4, 3))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("count", "rows"), [(0, []), (1, [0]), (2, [0, 2]), (4, [0, 2, 1, 3]), (9, [0, 2, 1, 3, 4])]
)
def test_best_rows_are_taken_front_after_front(count: int, rows: list[int]) -> None:
    assert best_rows(LOSSES, count) == rows


def test_rows_with_one_loss_are_ordered_by_that_loss() -> None:
    assert best_rows(np.array([[3.0], [1.0], [2.0]]), 3) == [1, 2, 0]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be NaN"):
        best_rows(np.array([[float("nan"), 1.0]]), 1)
