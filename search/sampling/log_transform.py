"""Scales: quantities on scales where what changes a network adds up, and back."""

from __future__ import annotations

import numpy as np

SURE = 0.003
"""Least error that is told from another: nothing is right always."""


class LogTransform:
    """Costs by their logarithms, and shares of what is right by the logit of the error.

    Halving a width halves a size whatever it was before, and does so in a sum once both are
    logarithms. What may be negative stays as it is.

    Args:
        told: Losses [T, K], which must not be none: the value of what is minimized, minus that of
            what is maximized.
        signs: [K], -1 for what is maximized.

    Attributes:
        of: The same on these scales [T, K]; smaller is better.
    """

    def __init__(self, told: np.ndarray, signs: np.ndarray) -> None:
        values = told * signs
        positive, share = (values > 0).all(axis=0), ((values >= 0) & (values <= 1)).all(axis=0)
        self._share = (signs < 0) & share
        self._gain = (signs < 0) & positive & ~self._share
        self._cost = (signs > 0) & positive
        self.of: np.ndarray = told.copy()
        error = np.clip(1.0 + told[:, self._share], SURE, 1.0 - SURE)
        self.of[:, self._share] = np.log(error / (1.0 - error))
        self.of[:, self._gain] = -np.log(values[:, self._gain])
        self.of[:, self._cost] = np.log(values[:, self._cost])

    def losses(self, scaled: np.ndarray) -> np.ndarray:
        """Losses [N, K] of what lies on these scales."""
        found = scaled.copy()
        found[:, self._share] = 1.0 / (1.0 + np.exp(-scaled[:, self._share])) - 1.0
        found[:, self._gain] = -np.exp(-scaled[:, self._gain])
        found[:, self._cost] = np.exp(scaled[:, self._cost])
        return found
