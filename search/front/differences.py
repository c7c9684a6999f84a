"""Decides which measured differences are beyond noise. Pure.

Errors that two trials share cancel in their difference: scores of the same examples are paired, and
times of one session are compared block by block. All other errors are taken as independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from paretune.objectives.base import Measurement
from paretune.objectives.pairing.differences import paired_difference, paired_log_ratio


def differ(a: Measurement, b: Measurement) -> bool:
    """Returns whether the 95 % interval of a - b, of one quantity, is without 0."""
    low, high = difference_interval(a, b)
    return low > 0 or high < 0


def difference_interval(a: Measurement, b: Measurement) -> tuple[float, float]:
    """Returns the 95 % interval of a - b; of log(a / b) if their noise is relative.

    - Scores of the same examples are paired (`objectives.pairing.differences`).
    - Relative noise: what both share in one session cancels (`objectives.timing.differences`).
    - Else the interval is computed from the two intervals (MOVER: Zou and Donner 2008,
      https://doi.org/10.1002/sim.3095). With Wilson's intervals it is the interval of two
      proportions that Newcombe recommends (1998, method 10,
      https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I).
    """
    relative = has_relative_noise([a, b])
    paired = paired_log_ratio(a, b) if relative else paired_difference(a, b)
    if paired is not None:
        return paired.low, paired.high
    if relative:
        # Not needed to compare fractions.
        from paretune.objectives.timing.differences import difference

        ratio = difference(a, b)
        return ratio.value - ratio.half, ratio.value + ratio.half
    return (
        a.value - b.value - math.hypot(a.value - a.low, b.high - b.value),
        a.value - b.value + math.hypot(a.high - a.value, b.value - b.low),
    )


def has_relative_noise(measured: Sequence[Measurement]) -> bool:
    """Returns whether a quantity's noise is relative: it is positive and not a fraction."""
    return all(m.unit != "fraction" and min(m.low, m.value) > 0 for m in measured)
