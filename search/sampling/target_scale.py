"""Brings the losses of one objective to a scale on which a Gaussian process can learn them."""

from __future__ import annotations

import numpy as np

from paretune.search.sampling.log_transform import LogTransform

FENCE = 1.5
"""Losses this many interquartile ranges above the upper quartile are outliers (Tukey 1977)."""

BEYOND = 3.0
"""Standard deviations that a drawn loss may lie beyond those of the trials."""


class TargetScale:
    """Standardizes losses, linear or as in log_transform.py, and compresses outliers.

    The scale is the one on which the losses are more like a normal distribution (Box & Cox 1964).
    Some trainings diverge, with losses that know no bound. How bad they are tells nothing about the
    others, so that losses beyond FENCE grow by their logarithm.

    Args:
        losses: Losses [T], one at least.
        sign: -1 for a quantity that is maximized.

    Attributes:
        targets: The losses on this scale [T], with mean 0; lower is better.
    """

    def __init__(self, losses: np.ndarray, sign: float) -> None:
        self._logs = LogTransform(losses[:, None], np.array([sign]))
        logs = self._logs.transformed[:, 0]
        # A trial's log likelihood is larger by this on the logarithmic scale.
        steepness = float(np.log(self._logs.slopes(losses)).mean())
        spread, log_spread = (float(self._fit(v).std()) for v in (losses, logs))
        self._is_linear = not spread or not log_spread or log_spread > spread * np.exp(steepness)
        compressed = self._fit(losses if self._is_linear else logs)
        self._mean, self._width = float(compressed.mean()), float(compressed.std()) or 1.0
        self.targets: np.ndarray = (compressed - self._mean) / self._width

    def _fit(self, values: np.ndarray) -> np.ndarray:
        """Sets the fence to one of these values [T]; returns them compressed."""
        low, high = np.quantile(values, [0.25, 0.75])
        self._unit = float(high - low) or float(values.std()) or 1.0
        self._fence = float(high) + FENCE * self._unit
        return self._compressed(values)

    def of(self, losses: np.ndarray) -> np.ndarray:
        """Returns losses [N] on this scale."""
        values = losses if self._is_linear else self._logs.of(losses)
        targets: np.ndarray = (self._compressed(values) - self._mean) / self._width
        return targets

    def inverse(self, targets: np.ndarray) -> np.ndarray:
        """Returns the losses [N] of values [N] on this scale, near those of the trials at most."""
        low, high = float(self.targets.min()) - BEYOND, float(self.targets.max()) + BEYOND
        values = self._mean + self._width * np.clip(targets, low, high)
        beyond = (values - self._fence) / self._unit
        stretched = self._fence + self._unit * np.expm1(np.maximum(beyond, 0.0))
        losses: np.ndarray = np.where(beyond > 0, stretched, values)
        if not self._is_linear:
            losses = self._logs.inverse(losses[:, None])[:, 0]
        return losses

    def _compressed(self, values: np.ndarray) -> np.ndarray:
        beyond = np.maximum(values - self._fence, 0.0)
        compressed: np.ndarray = np.minimum(values, self._fence) + self._unit * np.log1p(
            beyond / self._unit
        )
        return compressed
