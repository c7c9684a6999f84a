"""The effective number of examples in a series, whose neighbours may be alike."""

from __future__ import annotations

import numpy as np

SEGMENTS = 4
"""Parts of a series with a mean of their own: a drift that begins half-way is no autocorrelation
of its neighbours."""

LEAST_SEGMENT = 20
"""Least examples in a part; below four of them, the examples count as independent."""


MOST_EXAMPLES = 100_000
"""Examples that the factor is estimated from."""


def effective_count(values: np.ndarray) -> float:
    """Returns how many independent examples tell as much about a mean as a series.

    It is N / (1 + 2 sum of the autocorrelations), summed up to the first pair of lags whose sum is
    not positive (Geyer 1992, https://doi.org/10.1214/ss/1177011137). The factor is the median over
    four parts of the series. Independent examples get about N.

    Args:
        values: The series, [N], or [N, D] of a vector for each example, such as one-hot classes.
    """
    count = len(values)
    if count < SEGMENTS * LEAST_SEGMENT:
        return float(count)
    columns = np.asarray(values[:MOST_EXAMPLES], dtype=np.float64)
    columns = columns.reshape(len(columns), -1)
    factors = [_factor(part) for part in np.array_split(columns, SEGMENTS)]
    return count / max(1.0, float(np.median(factors)))


def _factor(values: np.ndarray) -> float:
    """Returns 1 + 2 sum of the autocorrelations of one part."""
    centered = values - values.mean(axis=0)
    variance = float((centered**2).sum())
    if variance <= 1e-12 * max(1.0, float((values**2).sum())):
        return 1.0
    size = len(centered)
    correlations = _autocovariances(centered)[1 : size // 2] / variance
    pairs = correlations[: len(correlations) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    return 1 + 2 * float(pairs[: ends[0] if len(ends) else None].sum())


def _autocovariances(centered: np.ndarray) -> np.ndarray:
    """Returns the sums of products at each lag, by the fast Fourier transform."""
    size = len(centered)
    spectrum = np.fft.rfft(centered, 2 * size, axis=0)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:size]
    return np.asarray(products.sum(axis=1))
