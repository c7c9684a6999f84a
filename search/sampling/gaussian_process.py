"""The Gaussian process as a surrogate: predicts losses of untrained networks from few trials.

It has a linear and a squared exponential kernel (Rasmussen & Williams 2006, Gaussian Processes for
Machine Learning, chapters 2 and 5) on the scales of log_transform.py. There the parameters of a
network mostly add up, which the linear kernel learns from few trials; the rest is smooth.

It was compared with trees in two spaces of architecture, pruning, distillation and training. From
the accuracies of ten networks it predicted those of unseen ones with rank correlations of .58 and
.45, trees with .42 and .31. Its sizes had half the error of the trees' sizes. In purely categorical
spaces, such as tables of cells, the random forest finds more (tests/benchmarks/bench_tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from paretune.search.sampling.features import ABSENT
from paretune.search.sampling.log_transform import LogTransform

LINEAR = (0.0, 0.1, 0.3)
"""Variances of the linear kernel that are tried, in variances of the smooth kernel.

Of all combinations of LINEAR, LENGTHS and NOISES, the likeliest is used.
"""

LENGTHS = (1.0, 2.0)
"""Lengths of the smooth kernel, over which it falls to 0.6, in ranges of a parameter."""

NOISES = (0.01, 0.05, 0.2)
"""Variances of the noise, in variances of the smooth kernel."""

MOST_TRIALS = 400
"""Most trials for the process, so that the time of a proposal does not grow."""


class GaussianProcess:
    """Draws losses from the posterior of a Gaussian process.

    Args:
        signs: [K], -1 for a quantity that is maximized.
        noise: Spread of a draw, in standard deviations; 0 returns the mean.
    """

    def __init__(self, signs: np.ndarray, noise: float = 1.0) -> None:
        self._signs, self._noise = signs, noise

    def draw(
        self, rows: np.ndarray, losses: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Returns a draw of losses [N, K], independent for each row.

        Args:
            rows: Features [T, width] of the trials; of more than MOST_TRIALS, some are used.
            losses: Losses [T, K] of the trials.
            at: Features [N, width] for which losses are drawn.
            random: Random numbers for the draw.
        """
        if len(rows) > MOST_TRIALS:
            subset = np.sort(random.choice(len(rows), size=MOST_TRIALS, replace=False))
            rows, losses = rows[subset], losses[subset]
        transform = LogTransform(losses, self._signs)
        transformed = transform.transformed
        mean, width = transformed.mean(axis=0), transformed.std(axis=0)
        targets = (transformed - mean) / np.where(width > 0, width, 1.0)
        kernels = _Kernels(_filled(rows), _filled(at))
        drawn = np.empty((len(at), targets.shape[1]))
        for index in range(targets.shape[1]):
            predicted, deviation = kernels.likeliest_fit(targets[:, index]).predict(kernels)
            drawn[:, index] = predicted + self._noise * deviation * random.standard_normal(len(at))
        return transform.inverse(mean + width * drawn)

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
        kernels = _Kernels(_filled(rows), _filled(pair))
        fit = kernels.likeliest_fit((targets - mean) / width)
        value, deviation = fit.predict_difference(kernels, _filled(pair))
        return float(width * value), float(width * deviation)


class _Kernels:
    """The parts of the kernels among the trials [T], and from the rows [N] to the trials."""

    def __init__(self, rows: np.ndarray, at: np.ndarray) -> None:
        self.linear, self.distance = rows @ rows.T, _squared_distances(rows, rows)
        self.linear_at, self.distance_at = at @ rows.T, _squared_distances(at, rows)
        self.linear_self: np.ndarray = (at**2).sum(axis=1)

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

    def predict(self, kernels: _Kernels) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean and the standard deviation [N] at the rows."""
        smooth = np.exp(-0.5 * kernels.distance_at / self.length**2)
        covariance = np.linalg.solve(self.root, (self.linear * kernels.linear_at + smooth).T)
        prior = self.linear * kernels.linear_self + 1.0
        posterior = self.variance * (prior - (covariance**2).sum(axis=0))
        return covariance.T @ self.solved, np.sqrt(np.maximum(posterior, 0.0))

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


def _filled(rows: np.ndarray) -> np.ndarray:
    """Returns rows of features with absent numbers set to the middle, 0.5."""
    return np.where(rows == ABSENT, 0.5, rows).astype(float)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns squared distances [N, T]."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    distances: np.ndarray = np.maximum(squares, 0.0)
    return distances
