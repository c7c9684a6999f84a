"""Transforms losses to scales on which changes of a network add up, and back."""

from __future__ import annotations

import numpy as np

LEAST_ERROR = 0.003
"""Smaller errors are replaced by this one: an accuracy of 1 has no logit."""

LARGEST = 700.0
"""Larger values on a transformed scale, which a model may extrapolate, have no exponential."""


class LogTransform:
    """Takes the logarithm of costs, and the logit of the error of fractions.

    Halving a width halves the size of any network. On a logarithmic scale this adds a constant.
    Quantities that may be negative are not transformed.

    Args:
        losses: Losses [T, K], one row at least: minimized values, and negated maximized values.
        signs: [K], -1 for a quantity that is maximized.

    Attributes:
        transformed: The same on these scales [T, K]; lower is better.
    """

    def __init__(self, losses: np.ndarray, signs: np.ndarray) -> None:
        values = losses * signs
        positive, share = (values > 0).all(axis=0), ((values >= 0) & (values <= 1)).all(axis=0)
        self._share = (signs < 0) & share
        self._gain = (signs < 0) & positive & ~self._share
        self._cost = (signs > 0) & positive
        self.transformed: np.ndarray = self._transformed(losses, values)

    def of(self, losses: np.ndarray) -> np.ndarray:
        """Returns the losses [N] of one quantity on its scale."""
        signs = np.where(self._share | self._gain, -1.0, 1.0)
        rows = losses[:, None]
        low = np.finfo(float).tiny if (self._gain | self._cost).any() else -np.inf
        return self._transformed(rows, np.maximum(rows * signs, low))[:, 0]

    def slopes(self, losses: np.ndarray) -> np.ndarray:
        """Returns how steep the scale of one quantity is at losses [N]."""
        steepness: np.ndarray = np.ones(len(losses))
        if self._share.any():
            error = np.clip(1.0 + losses, LEAST_ERROR, 1.0 - LEAST_ERROR)
            steepness = 1.0 / (error * (1.0 - error))
        elif self._gain.any() or self._cost.any():
            steepness = 1.0 / np.maximum(np.abs(losses), np.finfo(float).tiny)
        return steepness

    def _transformed(self, losses: np.ndarray, values: np.ndarray) -> np.ndarray:
        transformed: np.ndarray = losses.copy()
        if self._share.any():
            error = np.clip(1.0 + losses[:, self._share], LEAST_ERROR, 1.0 - LEAST_ERROR)
            transformed[:, self._share] = np.log(error / (1.0 - error))
        if self._gain.any():
            transformed[:, self._gain] = -np.log(values[:, self._gain])
        if self._cost.any():
            transformed[:, self._cost] = np.log(values[:, self._cost])
        return transformed

    def inverse(self, transformed: np.ndarray) -> np.ndarray:
        """Returns the losses [N, K] of values [N, K] on these scales."""
        losses = transformed.copy()
        bounded = np.clip(transformed, -LARGEST, LARGEST)
        losses[:, self._share] = 1.0 / (1.0 + np.exp(-bounded[:, self._share])) - 1.0
        losses[:, self._gain] = -np.exp(-bounded[:, self._gain])
        losses[:, self._cost] = np.exp(bounded[:, self._cost])
        return losses
