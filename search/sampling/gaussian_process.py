"""The Gaussian process of the difference of two networks, which explains what a change does.

It has a linear and a squared exponential kernel (Rasmussen & Williams 2006, Gaussian Processes for
Machine Learning, chapters 2 and 5) with the same length for all parameters. There the parameters of
a network mostly add up, which the linear kernel learns from few trials; the rest is smooth. The
surrogate of the sampler is in ensemble.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from paretune.search.sampling.features import filled

LINEAR = (0.0, 0.1, 0.3)
"""Variances of the linear kernel that are tried, in variances of the smooth kernel.

Of all combinations of LINEAR, LENGTHS and NOISES, the likeliest is used.
"""

LENGTHS = (1.0, 2.0)
"""Lengths of the smooth kernel, over which it falls to 0.6, in ranges of a parameter."""

NOISES = (0.01, 0.05, 0.2)
"""Variances of the noise, in variances of the smooth kernel."""


class GaussianProcess:
    """Predicts by how much two networks differ."""

    @staticmethod
    def difference(rows: np.ndarray, targets: np.ndarray, pair: np.ndarray) -> tuple[float, float]:
        """Returns the mean and standard deviation of target(first) - target(second).

        What the process is unsure about in both networks cancels.

        Args:
            rows: Features [T, width] of the trials, at most a few hundred.
            targets: Values [T] on a scale on which changes add up, such as logarithms.
            pair: Features [2, width] of the two networks.
        """
        mean, width = targets.mean(), targets.std() or 1.0
        kernels = _Kernels(filled(rows), filled(pair))
        fit = kernels.likeliest_fit((targets - mean) / width)
        value, deviation = fit.predict_difference(kernels, filled(pair))
        return float(width * value), float(width * deviation)


class _Kernels:
    """The parts of the kernels among the trials [T], and from the rows [N] to the trials."""

    def __init__(self, rows: np.ndarray, at: np.ndarray) -> None:
        self.linear, self.distance = rows @ rows.T, _squared_distances(rows, rows)
        self.linear_at, self.distance_at = at @ rows.T, _squared_distances(at, rows)

    def likeliest_fit(self, targets: np.ndarray) -> _Fit:
        """Returns the fit to targets [T] with the largest evidence."""
        fits = [_Fit.of(self, targets, *tried) for tried in product(LINEAR, LENGTHS, NOISES)]
        return max(fits, key=lambda fit: fit.evidence)


@dataclass(frozen=True)
class _Fit:
    """A Gaussian process that is fitted to targets.

    Attributes:
        linear: Variance of the linear kernel, in variances of the smooth kernel.
        length: Length of the smooth kernel.
        root: Cholesky factor of the covariance [T, T].
        solved: The targets [T], divided by the root.
        variance: Likeliest variance of the smooth kernel.
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
        cls, kernels: _Kernels, targets: np.ndarray, linear: float, length: float, noise: float
    ) -> _Fit:
        """Fits the process with these parameters to targets [T]."""
        smooth = np.exp(-0.5 * kernels.distance / length**2)
        root = np.linalg.cholesky(linear * kernels.linear + smooth + noise * np.eye(len(targets)))
        solved = np.linalg.solve(root, targets)
        variance = max(float(solved @ solved) / len(targets), 1e-12)
        evidence = -0.5 * len(targets) * np.log(variance) - np.log(np.diag(root)).sum()
        return cls(linear, length, root, solved, variance, float(evidence))

    def predict_difference(self, kernels: _Kernels, pair: np.ndarray) -> tuple[float, float]:
        """Returns the mean and the standard deviation of the first row's value minus the second's.

        Args:
            kernels: The kernels of the two rows.
            pair: Features [2, width] of the two rows.
        """
        smooth = np.exp(-0.5 * kernels.distance_at / self.length**2)
        covariance = np.linalg.solve(self.root, (self.linear * kernels.linear_at + smooth).T)
        apart = covariance[:, 0] - covariance[:, 1]
        step = pair[0] - pair[1]
        squared = float(step @ step)
        prior = self.linear * squared + 2 - 2 * np.exp(-0.5 * squared / self.length**2)
        posterior = self.variance * max(float(prior - apart @ apart), 0.0)
        return float(apart @ self.solved), float(np.sqrt(posterior))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns squared distances [N, T]."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    distances: np.ndarray = np.maximum(squares, 0.0)
    return distances
