"""Finds files that rounding to few bits broke: their outputs match the network's by chance only.

The rules give no false alarm: a file that is only worse than its network passes, and its score
shows what the rounding costs. Pure functions on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

SIGMAS = 3.0
"""Standard deviations that separate a share from chance."""

LEAST = 16
"""Examples that a correlation needs: of fewer, correlations by chance are large."""

BY_CHANCE = 2.0
"""Standard deviations of a correlation of unrelated outputs, 1 / sqrt(N - 1), that are chance."""

VARYING = 0.05
"""Least deviation between examples, as a share of the outputs' size. An int8 step is about 0.01 of
it, and the outputs of a network that hardly vary may drown in the rounding."""

MOST_VALUES = 4096
"""Values of an example that are correlated, evenly spaced; further ones say the same."""


def chance_fault(network: np.ndarray, file: np.ndarray, labels: np.ndarray, classes: int) -> str:
    """Returns a text if the classes agree as by chance, although the network is good.

    Args:
        network: The network's class of each example [N].
        file: The file's.
        labels: The true ones.
        classes: Number of classes.
    """
    count = len(labels)
    right, guess = float((network == labels).mean()), 1 / classes
    good = right > guess + SIGMAS * math.sqrt(guess * (1 - guess) / count)
    by_chance = sum(float((network == c).mean() * (file == c).mean()) for c in range(classes))
    same = float((network == file).mean())
    limit = by_chance + SIGMAS * math.sqrt(by_chance * (1 - by_chance) / count)
    if not good or same >= 0.5 or same > limit:
        return ""
    return (
        f"is broken by its rounding: its class is the network's for {100 * same:.0f} % of {count} "
        f"validation examples, as by chance, while the network is right for {100 * right:.0f} %"
    )


def correlation_fault(network: Mapping[str, np.ndarray], file: Mapping[str, np.ndarray]) -> str:
    """Returns a text if an output of the file is unrelated to the network's, which varies.

    Args:
        network: Outputs of the network by name, each [N, ...], finite.
        file: Outputs of its file, of the same shapes.
    """
    for name, outputs in network.items():
        count = len(outputs)
        if count < LEAST or outputs.dtype.kind != "f":
            continue
        one, other = _rows(outputs), _rows(file[name])
        if _deviation(one) <= VARYING * _size(one):
            continue
        limit = BY_CHANCE / math.sqrt(count - 1)
        related = _correlation(one, other)
        # Ranks as well: a single example with large values must not decide.
        if related <= limit and _correlation(_ranks(one), _ranks(other)) <= limit:
            which = f'its output "{name}" is' if name else "its outputs are"
            return (
                f"is broken by its rounding: on {count} validation examples {which} unrelated to "
                f"the network's (correlation {related:.2f}, as by chance)"
            )
    return ""


def _rows(values: np.ndarray) -> np.ndarray:
    """Returns some values of each example, float64 [N, M]."""
    rows = values.reshape(len(values), -1)
    step = -(-rows.shape[1] // MOST_VALUES)
    return rows[:, :: max(step, 1)].astype(np.float64)


def _ranks(rows: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata  # slow to import, and rarely needed

    ranks: np.ndarray = rankdata(rows, axis=0)
    return ranks


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the correlation of the deviations from the means over the examples; 0 without any."""
    first, second = one - one.mean(axis=0), other - other.mean(axis=0)
    scale = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale else 0.0


def _deviation(rows: np.ndarray) -> float:
    return math.sqrt(float(np.mean(rows.var(axis=0))))


def _size(rows: np.ndarray) -> float:
    return math.sqrt(float(np.mean(rows**2)))
