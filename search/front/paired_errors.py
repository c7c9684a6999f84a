"""The joint errors of trials that were measured on the same examples. Pure.

Networks of a study fail on the same hard examples, so their errors move together, and a difference
is more certain than the two intervals say. The covariance of all trials follows from their results
on each example. Only differences count on a front, so the error that all trials share is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.pareto import Array

MOST_PAIRED = 300
"""Most networks with different results whose covariance is computed."""

MOST_PRODUCTS = 2e9
"""Most multiplications for it: about a tenth of a second. With many examples, fewer are paired."""


@dataclass(frozen=True, eq=False)
class PairedErrors:
    """The errors of points in one objective.

    The errors of one draw are `factors @ z`, with independent standard normal numbers z [K].

    Attributes:
        rows: Row of `factors` of each point, int [N]; -1 for a point whose error is independent.
            Networks with equal results have the same row, so they tie in every draw.
        factors: [D, K].
    """

    rows: Array
    factors: Array

    @property
    def paired(self) -> Array:
        """Which points are paired, bool [N]."""
        paired: Array = self.rows >= 0
        return paired

    def deviations(self) -> Array:
        """Returns the standard deviations of the paired points, without the shared error."""
        deviations: Array = np.sqrt((self.factors**2).sum(axis=1))[self.rows[self.paired]]
        return deviations

    def select(self, points: Array) -> PairedErrors:
        """Returns the errors of these points, in this order."""
        return replace(self, rows=self.rows[points])

    def draw(self, draws: int, seed: int) -> Array:
        """Returns errors [draws, P] of the P paired points."""
        random = np.random.default_rng([seed, 1])
        normal = random.standard_normal((draws, self.factors.shape[1]))
        drawn: Array = (normal @ self.factors.T)[:, self.rows[self.paired]]
        return drawn


def paired_errors(measured: Sequence[Measurement], relative: bool = False) -> PairedErrors | None:
    """Returns the joint errors of measurements of one quantity.

    Args:
        measured: A measurement of each point.
        relative: Return the errors of the logarithms; all values are positive.

    Returns:
        None if no two of them are on the same examples.
    """
    first = next((m.per_example for m in measured if m.per_example is not None), None)
    if first is None:
        return None
    most = min(MOST_PAIRED, math.isqrt(int(MOST_PRODUCTS / first.count)))
    pairs = [m.per_example for m in measured if m.per_example and m.per_example.pairs_with(first)]
    samples = min(results.samples for results in pairs)
    rows = np.full(len(measured), -1)
    row_of: dict[tuple[bytes, float], int] = {}
    errors = []
    for index, m in enumerate(measured):
        if m.per_example is None or not m.per_example.pairs_with(first):
            continue
        key = (m.per_example.packed, m.value)
        if key not in row_of and len(row_of) < most:
            row_of[key] = len(row_of)
            scale = m.value if relative else 1.0
            errors.append((m.per_example.errors(samples) / scale).astype(np.float32))
        rows[index] = row_of.get(key, -1)
    if (rows >= 0).sum() < 2:
        return None
    return PairedErrors(rows, _factors(np.stack(errors)))


def _factors(errors: Array) -> Array:
    """Returns factors [D, D] of the covariance of error vectors [D, K], without the shared error.

    The shared error is the average of the vectors.
    """
    covariance = (errors @ errors.T).astype(float)
    covariance -= covariance.mean(axis=0)
    covariance -= covariance.mean(axis=1, keepdims=True)
    variances, directions = np.linalg.eigh((covariance + covariance.T) / 2)
    factors: Array = directions * np.sqrt(np.maximum(variances, 0.0))
    return factors
