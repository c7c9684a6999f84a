"""Statistics of repeated figures: quantiles, and estimates with a 95 % interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Z95 = 1.959964
"""The 97.5 % quantile of the normal distribution."""

GROUPS = 8
"""Groups of consecutive figures. A machine's speed drifts, so consecutive figures are similar. The
standard error therefore comes from the medians of the groups instead of single figures."""

LEAST_YARDSTICKS = 4
"""Yardsticks that stay when one is left out, so that their scatter is still an estimate."""

OUTLYING = 0.1
"""A yardstick that moved by less than this, as a logarithm, is never left out."""

MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""The standard error of a median, divided by that of a mean, for normal figures."""


@dataclass(frozen=True)
class Estimate:
    """A value and the half width of its 95 % interval.

    Attributes:
        value: The value.
        half: Half the width of the interval.
        floor: The part of `half` that more figures from the same session would not reduce.
    """

    value: float
    half: float
    floor: float = 0.0


def median_of(figures: Sequence[float]) -> Estimate:
    """Returns the median of two or more figures, which are in order of time.

    The interval is Student's, from the medians of groups of consecutive figures (batch means; Law
    and Carson 1979, Operations Research 27, 1011-1025). It does not include any drift that is
    slower than the whole series.
    """
    groups = _groups(figures)
    error = statistics.stdev(statistics.median(group) for group in groups)
    error /= math.sqrt(len(groups))
    if len(groups) == len(figures):  # the groups are single figures, not medians
        error *= MEDIAN_ERROR
    return Estimate(statistics.median(figures), student95(len(groups) - 1) * error)


def mean_of(figures: Sequence[float]) -> Estimate:
    """Returns the mean of two or more independent figures, with Student's 95 % interval."""
    error = statistics.stdev(figures) / math.sqrt(len(figures))
    return Estimate(statistics.fmean(figures), student95(len(figures) - 1) * error)


def level_from_references(
    levels: Sequence[float],
    reference_levels: Sequence[Sequence[float]],
    known_levels: Sequence[float],
) -> Estimate:
    """Returns the level of a network on a scale that is fixed by reference networks.

    All arguments are logarithms. The interval has two parts: the scatter between blocks, and how
    far the references have moved against each other since `known_levels` were measured. The second
    is how far a single network moves. A reference that moved much further than all others says
    something about itself only, so it is left out (`outlying`).

    Args:
        levels: Level of the network in each block.
        reference_levels: Levels of each reference, in the same blocks.
        known_levels: Level of each reference on the wanted scale.
    """
    changes = [
        statistics.fmean(block_levels) - known
        for block_levels, known in zip(reference_levels, known_levels, strict=True)
    ]
    left_out = outlying(changes)
    kept = [number for number in range(len(changes)) if number != left_out]
    reference_levels = [reference_levels[number] for number in kept]
    known_levels = [known_levels[number] for number in kept]
    moves = [changes[number] for number in kept]
    count = len(kept)
    means = [math.fsum(block) / count for block in zip(*reference_levels, strict=True)]
    above = mean_of([level - mean for level, mean in zip(levels, means, strict=True)])
    # The error is that of one network, plus that of the mean of the references.
    moved = statistics.stdev(moves) * math.sqrt(1 + 1 / count)
    floor = student95(count - 1) * moved
    return Estimate(
        above.value + math.fsum(known_levels) / count, math.hypot(above.half, floor), floor
    )


def outlying(changes: Sequence[float]) -> int | None:
    """Returns the number of the one yardstick that moved much further than all others, or None.

    Its distance from the median is more than 3 times that of every other, and at least `OUTLYING`.
    Networks rarely move so far alone. One did by a factor of 1.8, on a virtual machine whose
    neighbour had started: depthwise convolutions suffer most from a shared cache.

    Args:
        changes: Logarithm of each yardstick's change since its level was measured.
    """
    if len(changes) <= LEAST_YARDSTICKS:
        return None
    middle = statistics.median(changes)
    *others, farthest = sorted(range(len(changes)), key=lambda n: abs(changes[n] - middle))
    next_distance = max(abs(changes[n] - middle) for n in others)
    distance = abs(changes[farthest] - middle)
    return farthest if distance >= OUTLYING and distance > 3 * next_distance else None


def _groups(figures: Sequence[float]) -> list[Sequence[float]]:
    count = min(GROUPS, len(figures)) if len(figures) >= 2 * GROUPS else len(figures)
    ends = [round(len(figures) * i / count) for i in range(count + 1)]
    return [figures[a:b] for a, b in pairwise(ends)]


def student95(freedom: int) -> float:
    """Returns Student's 97.5 % quantile, within 1 % for 3 or more degrees of freedom.

    The expansion of Cornish and Fisher: Abramowitz and Stegun, 26.7.5.
    """
    z, n = Z95, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def statistic(figures: Sequence[float], name: str) -> float:
    """Returns the statistic "p50", "p90", "p99" or "mean" of some figures."""
    if name == "mean":
        return statistics.fmean(figures)
    return quantile(figures, {"p50": 0.5, "p90": 0.9, "p99": 0.99}[name])


def quantile(figures: Sequence[float], share: float) -> float:
    """Returns a quantile, interpolated linearly as in numpy; `share` is in [0, 1]."""
    ordered = sorted(figures)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
