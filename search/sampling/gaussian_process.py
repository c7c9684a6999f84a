"""A Gaussian process: what it says of quantities that few trials have been told of.

A linear kernel and a squared exponential one (Rasmussen & Williams 2006, Gaussian Processes for
Machine Learning, chapters 2 and 5) on Scales. Parameters of a network mostly add up there, which a
line learns from few trials, and the rest is smooth. Of two spaces of architecture, pruning,
distillation and training this foresaw the accuracies of unseen networks from those of ten with a
rank correlation of .58 and .45, trees with .42 and .31; the error of the sizes was half of theirs.
Where all is categorical, as on tables of cells, trees find more (tests/benchmarks/bench_tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from paretune.search.sampling.features import ABSENT
from paretune.search.sampling.log_transform import LogTransform

LINEAR = (0.0, 0.1, 0.3)
"""Variance of the linear part, in those of the smooth one..."""

LENGTHS = (1.0, 2.0)
"""...which this far falls to 0.6, in ranges of a parameter..."""

NOISES = (0.01, 0.05, 0.2)
"""...and of the noise. The likeliest of them all are taken."""

MOST = 400
"""Trials that it is fitted to at most, so that a proposal's cost does not grow."""


class GaussianProcess:
    """Draws quantities from a posterior.

    Args:
        signs: Of the quantities [K], -1 for one that is maximized.
        noise: Of a draw, in standard deviations; 0 gives the mean.
    """

    def __init__(self, signs: np.ndarray, noise: float = 1.0) -> None:
        self._signs, self._noise = signs, noise

    def draw(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """A draw [N, K] of the losses at N rows from those told [T, K] at T rows.

        Of each row by itself; of more trials than MOST it is fitted to some.
        """
        if len(rows) > MOST:
            some = np.sort(random.choice(len(rows), size=MOST, replace=False))
            rows, told = rows[some], told[some]
        scales = LogTransform(told, self._signs)
        middle, width = scales.of.mean(axis=0), scales.of.std(axis=0)
        wanted = (scales.of - middle) / np.where(width > 0, width, 1.0)
        kernels = _Kernels(_filled(rows), _filled(at))
        drawn = np.empty((len(at), wanted.shape[1]))
        for place in range(wanted.shape[1]):
            mean, deviation = kernels.likeliest(wanted[:, place]).at(kernels)
            drawn[:, place] = mean + self._noise * deviation * random.standard_normal(len(at))
        return scales.losses(middle + width * drawn)


class _Kernels:
    """The kernels' parts between the trials [T], and from the candidates [N] to the trials."""

    def __init__(self, rows: np.ndarray, at: np.ndarray) -> None:
        self.line, self.distance = rows @ rows.T, _distances(rows, rows)
        self.line_at, self.distance_at = at @ rows.T, _distances(at, rows)
        self.own_line: np.ndarray = (at**2).sum(axis=1)

    def likeliest(self, wanted: np.ndarray) -> _Fit:
        """The fit to quantities [T] whose evidence is largest."""
        found = [_Fit.of(self, wanted, *given) for given in product(LINEAR, LENGTHS, NOISES)]
        return max(found, key=lambda fit: fit.evidence)


@dataclass(frozen=True)
class _Fit:
    """A process that quantities were told.

    Attributes:
        linear: Variance of the linear part.
        length: Of the smooth part.
        root: Cholesky factor of the covariance [T, T].
        solved: The quantities [T], divided by it.
        variance: That fits best.
        evidence: Logarithm of the likelihood.
    """

    linear: float
    length: float
    root: np.ndarray
    solved: np.ndarray
    variance: float
    evidence: float

    @classmethod
    def of(
        cls, kernels: _Kernels, wanted: np.ndarray, linear: float, length: float, noise: float
    ) -> _Fit:
        """The fit with these parameters."""
        smooth = np.exp(-0.5 * kernels.distance / length**2)
        root = np.linalg.cholesky(linear * kernels.line + smooth + noise * np.eye(len(wanted)))
        solved = np.linalg.solve(root, wanted)
        variance = max(float(solved @ solved) / len(wanted), 1e-12)
        evidence = -0.5 * len(wanted) * np.log(variance) - np.log(np.diag(root)).sum()
        return cls(linear, length, root, solved, variance, float(evidence))

    def at(self, kernels: _Kernels) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation [N] at the candidates."""
        smooth = np.exp(-0.5 * kernels.distance_at / self.length**2)
        covariance = np.linalg.solve(self.root, (self.linear * kernels.line_at + smooth).T)
        prior = self.linear * kernels.own_line + 1.0
        left = self.variance * (prior - (covariance**2).sum(axis=0))
        return covariance.T @ self.solved, np.sqrt(np.maximum(left, 0.0))


def _filled(rows: np.ndarray) -> np.ndarray:
    """Rows of features with what is absent in the middle, where it says least."""
    return np.where(rows == ABSENT, 0.5, rows).astype(float)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [N, T]."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    found: np.ndarray = np.maximum(squares, 0.0)
    return found
