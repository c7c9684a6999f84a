"""Statistics of repeated measurements: quantiles, and a median with its 95 % interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Z95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

GROUPS = 8
"""Neighbouring figures are alike, because a machine's speed drifts: the spread is that of the
medians of so many groups of neighbours."""

MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, for normal figures."""


@dataclass(frozen=True)
class Estimate:
    """A value, and the half width of its 95 % interval.

    Attributes:
        value: The value.
        half: Half the width...
        least: ...and what of it more figures of the same session would not narrow.
    """

    value: float
    half: float
    least: float = 0.0


def median_of(figures: Sequence[float]) -> Estimate:
    """The median of figures in order of time, at least two.

    Its interval is Student's, from the medians of groups of neighbours (batch means; Law and
    Carson 1979, Operations Research 27, 1011-1025). It knows of no drift slower than all of them.
    """
    groups = _groups(figures)
    error = statistics.stdev(statistics.median(group) for group in groups)
    error /= math.sqrt(len(groups))
    if len(groups) == len(figures):  # a median of single figures, rather than of medians
        error *= MEDIAN_ERROR
    return Estimate(statistics.median(figures), student95(len(groups) - 1) * error)


def mean_of(figures: Sequence[float]) -> Estimate:
    """The mean of at least two independent figures, with Student's 95 % interval."""
    error = statistics.stdev(figures) / math.sqrt(len(figures))
    return Estimate(statistics.fmean(figures), student95(len(figures) - 1) * error)


def beside(
    own: Sequence[float], others: Sequence[Sequence[float]], known: Sequence[float]
) -> Estimate:
    """A level beside several others that were measured in the same blocks.

    The interval has two parts: the scatter between the blocks, and how far the others have moved
    against each other since `known`, which is what one moves by itself.

    Args:
        own: Its logarithm in each block.
        others: Theirs, each in the same blocks.
        known: What each of the others is known to be, as a logarithm.

    Returns:
        What `own` is on the scale of `known`.
    """
    means = [math.fsum(column) / len(others) for column in zip(*others, strict=True)]
    found = mean_of([a - b for a, b in zip(own, means, strict=True)])
    off = [statistics.fmean(levels) - there for levels, there in zip(others, known, strict=True)]
    # Of one against the mean of the others: it has their errors, as `own` has.
    moved = statistics.stdev(off) * math.sqrt(1 + 1 / len(others))
    least = student95(len(others) - 1) * moved
    return Estimate(
        found.value + math.fsum(known) / len(known), math.hypot(found.half, least), least
    )


def _groups(figures: Sequence[float]) -> list[Sequence[float]]:
    count = min(GROUPS, len(figures)) if len(figures) >= 2 * GROUPS else len(figures)
    ends = [round(len(figures) * i / count) for i in range(count + 1)]
    return [figures[a:b] for a, b in pairwise(ends)]


def student95(freedom: int) -> float:
    """Student's 97.5 % quantile, within 1 % from 3 degrees of freedom on.

    The expansion of Cornish and Fisher: Abramowitz and Stegun, 26.7.5.
    """
    z, n = Z95, float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3


def statistic(runs: Sequence[float], which: str) -> float:
    """The p50, p90, p99 or mean of some runs."""
    if which == "mean":
        return statistics.fmean(runs)
    return quantile(runs, {"p50": 0.5, "p90": 0.9, "p99": 0.99}[which])


def quantile(runs: Sequence[float], share: float) -> float:
    """The quantile, with straight lines between the figures, as numpy has it."""
    ordered = sorted(runs)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
