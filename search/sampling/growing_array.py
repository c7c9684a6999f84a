"""An array to which rows are added one by one, without a copy of all rows for each."""

from __future__ import annotations

import numpy as np

FIRST = 64
"""Rows for which there is room at first; it doubles when they are full."""


class GrowingArray:
    """Rows of equal length and type."""

    def __init__(self) -> None:
        self._rows = np.empty((0, 0))
        self._count = 0

    @property
    def array(self) -> np.ndarray:
        """The rows [N, width] so far, read-only; they change if a row is replaced."""
        view = self._rows[: self._count]
        view.flags.writeable = False
        return view

    def append(self, row: np.ndarray) -> None:
        """Adds a row [width]."""
        if self._count == len(self._rows):
            larger = np.empty((max(FIRST, 2 * self._count), len(row)), dtype=row.dtype)
            larger[: self._count] = self._rows[: self._count] if self._count else 0
            self._rows = larger
        self._rows[self._count] = row
        self._count += 1

    def __getitem__(self, index: int) -> np.ndarray:
        """Returns a row."""
        row: np.ndarray = self.array[index]
        return row

    def __setitem__(self, index: int, row: np.ndarray) -> None:
        """Replaces a row."""
        self._rows[: self._count][index] = row
