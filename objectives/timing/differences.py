"""Difference of two measurements of one quantity, with what both share left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from paretune.objectives.base import Measurement
from paretune.objectives.timing.estimates import Estimate, mean_of


def difference(a: Measurement, b: Measurement) -> Estimate:
    """Log of a's value over b's (positive: a is greater), and half of its 95 % interval.

    Two that were measured in one session were visited in turn: what the host did to both cancels,
    so that the interval comes from their differences in each part of the session. Between others
    both intervals count.

    Args:
        a: A measurement of a positive quantity.
        b: Of the same quantity, in the same unit.

    Raises:
        ValueError: They are of different quantities, or not positive.
    """
    if (a.name, a.unit) != (b.name, b.unit):
        raise ValueError(f"{a.name} [{a.unit}] and {b.name} [{b.unit}] cannot be compared")
    if min(a.low, b.low) <= 0:
        raise ValueError(f"{a.name} of 0 or less has no ratio")
    ours, theirs = _session(a), _session(b)
    if ours and theirs and ours["id"] == theirs["id"]:
        pairs = zip(ours["log_levels"], theirs["log_levels"], strict=True)
        return mean_of([mine - other for mine, other in pairs])
    half = math.hypot(math.log(a.high / a.low) / 2, math.log(b.high / b.low) / 2)
    return Estimate(math.log(a.value / b.value), half)


def _session(measured: Measurement) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = measured.conditions.get("session")
    return found
