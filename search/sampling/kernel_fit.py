"""Fits the kernel of a Gaussian process to trials: which parameters matter, and how noisy it is.

The kernel is a squared exponential plus a linear one (Rasmussen & Williams 2006, Gaussian Processes
for Machine Learning, chapters 2 and 5). Each group of features, such as the columns of one
parameter, has its own relevance (automatic relevance determination, section 5.1 there). The
posterior mode is found by L-BFGS from a fixed start. So a fit depends on its trials alone, and a
resumed run gets the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RELEVANCE, RELEVANCE_SPREAD = -1.4, 1.2
"""Belief in the logarithm of a group's relevance: normal with this mean and deviation.

Half of them lie between 0.1 and 0.6: the kernel falls to 0.6 over one to three ranges.
"""

LINEAR, LINEAR_SPREAD = -1.6, 1.0
"""The same for the logarithm of the linear kernel's variance, in variances of the smooth one."""

NOISE, NOISE_SPREAD = -2.5, 2.0
"""The same for the logarithm of the noise's variance, in variances of the smooth kernel."""

STEPS = 20
"""Most steps of L-BFGS."""

FITTED = 160
"""Most trials to which a kernel is fitted: more hardly move it, and cost their cube."""


@dataclass(frozen=True)
class Kernel:
    """A fitted kernel.

    Attributes:
        relevances: Relevance of each feature [width].
        linear: Variance of the linear kernel, in variances of the smooth one.
        noise: Variance of the noise, in the same unit.
    """

    relevances: np.ndarray
    linear: float
    noise: float

    def between(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Returns the covariances [N, T] of rows a [N, width] and b [T, width], without noise."""
        scales = np.sqrt(self.relevances)
        a, b = a * scales, b * scales
        products: np.ndarray = a @ b.T
        # In place: large arrays are new pages each time, which take longer than the arithmetic.
        covariances: np.ndarray = np.add.outer(-0.5 * (a**2).sum(axis=1), -0.5 * (b**2).sum(axis=1))
        covariances += products
        np.minimum(covariances, 0.0, out=covariances)
        np.exp(covariances, out=covariances)
        products *= self.linear
        covariances += products
        return covariances

    def variances(self, rows: np.ndarray) -> np.ndarray:
        """Returns the variance [N] of each row, without noise."""
        variances: np.ndarray = 1.0 + self.linear * (rows**2 @ self.relevances)
        return variances


def fit_kernel(rows: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Kernel:
    """Returns the kernel that is likeliest for these trials, given the beliefs above.

    Args:
        rows: Features [T, width]; of more than FITTED rows, evenly spread ones are used.
        targets: Values [T], with a mean of about 0.
        groups: Group of each feature [width], from 0.
    """
    from scipy.optimize import minimize

    if len(rows) > FITTED:
        spread = np.linspace(0, len(rows) - 1, FITTED).astype(int)
        rows, targets = rows[spread], targets[spread]
    count = int(groups.max()) + 1
    parts = _Parts(rows, targets, groups, count)
    start = np.array([RELEVANCE] * count + [LINEAR, NOISE])
    found = minimize(
        parts.loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxfun": STEPS}
    )
    logs = np.clip(found.x, -12.0, 6.0)
    return Kernel(np.exp(logs[:count])[groups], float(np.exp(logs[-2])), float(np.exp(logs[-1])))


class _Parts:
    """Products and squared distances [G, T * T] of the trials, group by group."""

    def __init__(
        self, rows: np.ndarray, targets: np.ndarray, groups: np.ndarray, count: int
    ) -> None:
        size = len(rows)
        products = np.empty((count, size, size))
        for group in range(count):
            part = rows[:, groups == group]
            products[group] = part @ part.T
        squares = np.einsum("gii->gi", products)
        distances = squares[:, :, None] + squares[:, None] - 2 * products
        self._products = products.reshape(count, -1)
        self._distances = np.maximum(distances, 0.0).reshape(count, -1)
        self._targets = targets
        self._beliefs = np.array([RELEVANCE] * count + [LINEAR, NOISE])
        self._spreads = np.array([RELEVANCE_SPREAD] * count + [LINEAR_SPREAD, NOISE_SPREAD])

    def loss(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the negative log posterior of log parameters [G + 2], and its gradient."""
        from scipy.linalg.lapack import dpotrf, dpotri

        relevances = np.exp(np.clip(logs[:-2], -12.0, 6.0))
        linear, noise = np.exp(np.clip(logs[-2:], -12.0, 6.0))
        size = len(self._targets)
        smooth = np.exp(-0.5 * (relevances @ self._distances)).reshape(size, size)
        products = (linear * (relevances @ self._products)).reshape(size, size)
        covariance = smooth + products
        covariance[np.diag_indices(size)] += noise + 1e-8
        root, failed = dpotrf(covariance, lower=True)
        if failed:
            return 1e10, np.zeros_like(logs)
        half = dpotri(root, lower=True)[0]
        inverse = np.tril(half) + np.tril(half, -1).T
        solved = inverse @ self._targets
        variance = max(float(self._targets @ solved) / size, 1e-12)
        weights = inverse - np.outer(solved, solved) / variance
        of_smooth = -0.25 * (self._distances @ (weights * smooth).ravel())
        of_linear = 0.5 * linear * (self._products @ weights.ravel())
        gradient = np.concatenate(
            [
                relevances * (of_smooth + of_linear),
                [0.5 * float((weights * products).sum()), 0.5 * noise * float(np.trace(weights))],
            ]
        )
        apart = (logs - self._beliefs) / self._spreads
        value = 0.5 * size * np.log(variance) + np.log(np.diag(root)).sum() + 0.5 * apart @ apart
        return float(value), gradient + apart / self._spreads
