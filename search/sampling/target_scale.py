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
        linear = _Fenced(losses)
        logarithmic = _Fenced(self._logs.transformed[:, 0])
        # A trial's log likelihood is larger by this on the logarithmic scale.
        steepness = float(np.log(self._logs.slopes(losses)).mean())
        spread, log_spread = linear.spread, logarithmic.spread
        self._is_linear = not spread or not log_spread or log_spread > spread * np.exp(steepness)
        self._fenced = linear if self._is_linear else logarithmic
        self._mean, self._width = float(self._fenced.values.mean()), self._fenced.spread or 1.0
        self.targets: np.ndarray = (self._fenced.values - self._mean) / self._width

    def of(self, losses: np.ndarray) -> np.ndarray:
        """Returns losses [N] on this scale."""
        values = losses if self._is_linear else self._logs.of(losses)
        targets: np.ndarray = (self._fenced.of(values) - self._mean) / self._width
        return targets

    def inverse(self, targets: np.ndarray) -> np.ndarray:
        """Returns the losses [N] of values [N] on this scale, near those of the trials at most."""
        low, high = float(self.targets.min()) - BEYOND, float(self.targets.max()) + BEYOND
        fenced = self._fenced
        values = self._mean + self._width * np.clip(targets, low, high)
        beyond = (values - fenced.fence) / fenced.unit
        stretched = fenced.fence + fenced.unit * np.expm1(np.maximum(beyond, 0.0))
        losses: np.ndarray = np.where(beyond > 0, stretched, values)
        if not self._is_linear:
            losses = self._logs.inverse(losses[:, None])[:, 0]
        return losses


class _Fenced:
    """Values [T] that are compressed beyond a fence.

    Attributes:
        unit: Range beyond the fence that is compressed to log(2) of it.
        fence: The value from which on they are compressed.
        values: The compressed values [T].
        spread: Their standard deviation.
    """

    def __init__(self, values: np.ndarray) -> None:
        low, high = _quartiles(values)
        self.unit = high - low or float(values.std()) or 1.0
        self.fence = high + FENCE * self.unit
        self.values = self.of(values)
        self.spread = float(self.values.std())

    def of(self, values: np.ndarray) -> np.ndarray:
        """Returns values [N], compressed beyond the fence."""
        beyond = np.maximum(values - self.fence, 0.0)
        compressed: np.ndarray = np.minimum(values, self.fence) + self.unit * np.log1p(
            beyond / self.unit
        )
        return compressed


def _quartiles(values: np.ndarray) -> tuple[float, float]:
    """Returns the lower and upper quartile of `np.quantile` in a tenth of its time."""
    ordered = np.sort(values).tolist()
    quartiles = []
    for share in (0.25, 0.75):
        position = (len(ordered) - 1) * share
        index = int(position)
        below, above = ordered[index], ordered[min(index + 1, len(ordered) - 1)]
        step, part = above - below, position - index
        quartiles.append(below + step * part if part < 0.5 else above - step * (1 - part))
    return quartiles[0], quartiles[1]
