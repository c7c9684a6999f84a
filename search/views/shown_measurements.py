"""Which measurements people see: none twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_STATISTIC = ".top1"
"""The statistic that `accuracy` means if the study names no other."""


def without_repeats(measurements: Mapping[str, T]) -> dict[str, T]:
    """Returns measurements by name, without `accuracy.top1` where `accuracy` has its value.

    Args:
        measurements: Name -> a Measurement, or its JSON.
    """
    return {
        name: measured
        for name, measured in measurements.items()
        if DEFAULT_STATISTIC not in name
        or _value(measurements.get(name.replace(DEFAULT_STATISTIC, ""))) != _value(measured)
    }


def headline_measurements(measurements: Mapping[str, T]) -> dict[str, T]:
    """Returns the measurements of a short list: no further statistics of a quantity."""
    shown = without_repeats(measurements)
    return {
        name: measured
        for name, measured in shown.items()
        if "." not in name.partition("@")[0] or name.partition(".")[0] not in shown
    }


def _value(measured: Any) -> Any:
    if measured is None:
        return None
    return measured["value"] if isinstance(measured, Mapping) else measured.value
