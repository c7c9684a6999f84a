"""A growing array holds the rows that were added, and is not to be changed by its readers."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.growing_array import FIRST, GrowingArray


@pytest.mark.parametrize("count", [1, FIRST, FIRST + 1, 4 * FIRST + 1])
def test_array_has_all_rows_in_their_order_and_type(count: int) -> None:
    rows = np.random.default_rng(0).random((count, 3)).astype(np.float32)
    growing = GrowingArray()
    for row in rows:
        growing.append(row)
    assert growing.array.dtype == np.float32
    assert (growing.array == rows).all()
    assert (growing[count - 1] == rows[-1]).all()


def test_row_is_replaced() -> None:
    growing = GrowingArray()
    for value in (1.0, 2.0, 3.0):
        growing.append(np.array([value]))
    growing[1] = np.array([7.0])
    assert growing.array.tolist() == [[1.0], [7.0], [3.0]]


def test_reader_cannot_change_the_rows() -> None:
    growing = GrowingArray()
    growing.append(np.array([1.0]))
    with pytest.raises(ValueError, match="read-only"):
        growing.array[0] = 5.0
    assert len(GrowingArray().array) == 0
