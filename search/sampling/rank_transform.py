"""Ranks: quantities by the order of what was told instead of by their values, and back.

A few collapsed networks, whose errors lie far off, do not decide then where a tree splits (the
quantile transform of Salinas et al. 2020, https://arxiv.org/abs/1909.13595).
"""

from __future__ import annotations

import numpy as np

FEW = 4
"""Of the best: how they lie says how far beyond the best a lower rank is."""


class RankTransform:
    """The order of some values, which must not be none.

    Args:
        told: [T, K], smaller is better.

    Attributes:
        of: Their ranks [T, K] in (0, 1]; equal values have one.
    """

    def __init__(self, told: np.ndarray) -> None:
        self._values = np.sort(told, axis=0)
        self.of: np.ndarray = np.apply_along_axis(_ranked, 0, told) / len(told)
        self._ranks = np.sort(self.of, axis=0)

    def values(self, ranks: np.ndarray) -> np.ndarray:
        """The values [N, K] that have such ranks; none is worse than the worst told."""
        found = np.empty_like(ranks)
        for place in range(ranks.shape[1]):
            column, known, values = ranks[:, place], self._ranks[:, place], self._values[:, place]
            found[:, place] = np.interp(column, known, values)
            few = min(FEW, len(values)) - 1
            if known[few] > known[0]:
                slope = (values[few] - values[0]) / (known[few] - known[0])
                found[:, place] += slope * np.minimum(column - known[0], 0.0)
        return found


def _ranked(values: np.ndarray) -> np.ndarray:
    """Deployment [N] of each among the others, from 1; equal ones share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    places: np.ndarray = np.cumsum(counts) - (counts - 1) / 2
    return places[which]
