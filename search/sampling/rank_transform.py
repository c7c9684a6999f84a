"""Transforms losses to their ranks, and back.

With ranks, a few collapsed networks with extreme errors do not decide where a tree splits (the
quantile transform of Salinas et al. 2020, https://arxiv.org/abs/1909.13595).
"""

from __future__ import annotations

import numpy as np

SLOPE_RANKS = 4
"""Number of best losses. Their slope extrapolates to losses below the best."""


class RankTransform:
    """Takes the rank of each loss among the losses of a column.

    Args:
        losses: [T, K], one row at least.

    Attributes:
        ranks: The ranks [T, K] in (0, 1]; equal losses have equal ranks.
    """

    def __init__(self, losses: np.ndarray) -> None:
        self._losses = np.sort(losses, axis=0)
        self.ranks: np.ndarray = np.column_stack(list(map(_ranks, losses.T))) / len(losses)
        self._ranks = np.sort(self.ranks, axis=0)

    def inverse(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the losses [N, K] of ranks [N, K]; none is above the worst loss."""
        losses = np.empty_like(ranks)
        for index in range(ranks.shape[1]):
            column = ranks[:, index]
            known_ranks, known_losses = self._ranks[:, index], self._losses[:, index]
            losses[:, index] = np.interp(column, known_ranks, known_losses)
            last = min(SLOPE_RANKS, len(known_losses)) - 1
            if known_ranks[last] > known_ranks[0]:
                slope = (known_losses[last] - known_losses[0]) / (
                    known_ranks[last] - known_ranks[0]
                )
                losses[:, index] += slope * np.minimum(column - known_ranks[0], 0.0)
        return losses


def _ranks(values: np.ndarray) -> np.ndarray:
    """Returns the rank [N] of each value, from 1; equal values share the mean of their ranks."""
    _, indices, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = np.cumsum(counts) - (counts - 1) / 2
    return ranks[indices]
