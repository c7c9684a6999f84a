"""Measures the ranges of activations of an ncnn network on examples.

The method `entropy` is that of ncnn2table, ncnn's own tool: the threshold whose 8-bit histogram has
the least Kullback-Leibler divergence from the measured one (tools/quantize/ncnn2table.cpp).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.runtimes.ncnn_running import blob_of, fed

if TYPE_CHECKING:
    import numpy as np

    from paretune.objectives.runtimes.ncnn_integers import NcnnInput

BINS = 2048
"""Bins of a histogram, over [0, largest magnitude]."""

LEVELS = 128
"""Magnitudes of an int8."""

EPSILON = 1e-4
"""Share that each bin has at least, so that a logarithm is finite."""


def thresholds(
    net: Any,
    inputs: Sequence[NcnnInput],
    blobs: Sequence[str],
    examples: Sequence[Sequence[np.ndarray]],
    options: Mapping[str, Any],
) -> dict[str, float]:
    """Returns blob -> the magnitude that becomes 127; 0 for a blob that is always 0.

    Args:
        net: The ncnn.Net, in float32.
        inputs: What to feed.
        blobs: Names of the blobs, in the order in which the network computes them.
        examples: Arrays for the inputs of the network, for each example.
        options: Options of static int8: calibration, percentile.
    """
    import numpy as np

    largest = dict.fromkeys(blobs, 0.0)
    for example in examples:
        extractor = fed(net, inputs, example)
        for name in blobs:
            magnitude = float(np.abs(blob_of(extractor, name)).max(initial=0.0))
            largest[name] = max(largest[name], magnitude)
    if options["calibration"] == "minmax":
        return largest
    entropy = options["calibration"] == "entropy"
    histograms = {name: np.zeros(BINS) for name in blobs}
    for example in examples:
        extractor = fed(net, inputs, example)
        for name in blobs:
            values = blob_of(extractor, name)
            if entropy:
                values = values[values != 0]  # as ncnn2table counts: zero has no error
            histograms[name] += _histogram(values, largest[name])
    share = None if entropy else options.get("percentile", 99.99)
    return {name: _threshold(histograms[name], top, share) for name, top in largest.items()}


def _histogram(values: np.ndarray, largest: float) -> np.ndarray:
    import numpy as np

    counts: np.ndarray = np.histogram(np.abs(values), BINS, (0.0, largest or 1.0))[0]
    return counts.astype(np.float64)


def _threshold(histogram: np.ndarray, largest: float, percentile: float | None) -> float:
    """Returns the threshold of one blob, by a percentile or by entropy."""
    import numpy as np

    if largest == 0:
        return 0.0
    if percentile is None:
        return (least_divergent(histogram) + 0.5) * largest / BINS
    inside = np.cumsum(histogram) / histogram.sum()
    return float((np.searchsorted(inside, percentile / 100) + 1) * largest / BINS)


def least_divergent(histogram: np.ndarray) -> int:
    """Returns the number of bins to keep, in [LEVELS, BINS).

    Args:
        histogram: Counts of magnitudes [BINS].
    """
    import numpy as np

    shares = histogram / histogram.sum()
    cumulated = np.concatenate([[0.0], np.cumsum(shares)])
    best, least = LEVELS, np.inf
    for count in range(LEVELS, BINS):
        clipped = shares[:count] + EPSILON
        clipped[-1] += 1 - cumulated[count]
        divergence = float(
            np.sum(clipped * np.log(clipped / (_spread(cumulated, count) + EPSILON)))
        )
        if divergence < least:
            best, least = count, divergence
    return best


def _spread(cumulated: np.ndarray, count: int) -> np.ndarray:
    """Returns the histogram's first bins after rounding to LEVELS levels.

    Each level takes the mean of the bins that it covers; bins on a border are shared out.
    """
    import numpy as np

    edges = np.linspace(0, count, LEVELS + 1)
    bins = np.arange(BINS + 1)
    level_sums = np.diff(np.interp(edges, bins, cumulated))
    means = np.concatenate([[0.0], np.cumsum(level_sums)])
    spread: np.ndarray = np.diff(np.interp(np.arange(count + 1), edges, means))
    return spread
