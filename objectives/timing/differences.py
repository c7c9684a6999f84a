"""The difference of two measurements of one quantity, without the errors that both share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from paretune.objectives.base import Measurement
from paretune.objectives.timing.estimates import Estimate, mean_of


def difference(a: Measurement, b: Measurement) -> Estimate:
    """Returns log(a / b) with half its 95 % interval; positive if a is greater.

    If both were timed in one session, their networks ran in turn, so the drift of the host cancels.
    The interval then comes from their differences in each block. Otherwise it combines the
    intervals of a and b.

    Args:
        a: A measurement of a positive quantity.
        b: A measurement of the same quantity, in the same unit.

    Raises:
        ValueError: They measure different quantities, or one is not positive.
    """
    if (a.name, a.unit) != (b.name, b.unit):
        raise ValueError(f"{a.name} [{a.unit}] and {b.name} [{b.unit}] cannot be compared")
    if min(a.low, b.low) <= 0:
        raise ValueError(f"{a.name}: a ratio needs intervals above 0")
    session_a, session_b = _session(a), _session(b)
    if session_a and session_b and session_a["id"] == session_b["id"]:
        levels = zip(session_a["log_levels"], session_b["log_levels"], strict=True)
        return mean_of([level_a - level_b for level_a, level_b in levels])
    half = math.hypot(math.log(a.high / a.low) / 2, math.log(b.high / b.low) / 2)
    return Estimate(math.log(a.value / b.value), half)


def _session(measurement: Measurement) -> Mapping[str, Any] | None:
    session: Mapping[str, Any] | None = measurement.conditions.get("session")
    return session
