"""Axes of figures: the factor, unit, kind (linear or logarithmic) and range of an objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.study.records import Axis, TrialRecord
from paretune.search.study.units import shown_unit
from paretune.search.views.trial_groups import TrialGroups

LOG_FROM = 4.0
"""A cost gets a logarithmic axis if its largest value is this many times its smallest or more."""


@dataclass(frozen=True)
class PlotScale:
    """How a figure draws the values of an objective.

    Attributes:
        axis: The objective.
        factor: Multiplies each value.
        unit: Unit of the multiplied values; empty for a count.
        log: Whether the axis is logarithmic.
        ticks: Tick values of a logarithmic axis; else empty.
    """

    axis: Axis
    factor: float
    unit: str
    log: bool
    ticks: tuple[float, ...]

    @property
    def title(self) -> str:
        """Name, unit and the better direction."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.axis.name}{unit}, {self.axis.better} is better"

    def layout(self) -> dict[str, Any]:
        """Returns plotly's options of the axis."""
        options: dict[str, Any] = {"title": {"text": self.title}}
        if self.log:
            options |= {
                "type": "log",
                "tickvals": self.ticks,
                "ticktext": [*map(tick_text, self.ticks)],
            }
        return options


def scale_of(axis: Axis, trials: Sequence[TrialRecord]) -> PlotScale:
    """Returns the scale that suits the values of these trials."""
    values = [trial.values[axis.name] for trial in trials] or [1.0]
    low, high = min(values), max(values)
    factor, unit = _factor_and_unit(shown_unit(axis.unit, axis.name), high)
    log = axis.unit != "fraction" and low > 0 and high / low >= LOG_FROM
    return PlotScale(axis, factor, unit, log, ticks_of(low * factor, high * factor) if log else ())


def visible_range(groups: TrialGroups, scale: PlotScale) -> dict[str, Any]:
    """Returns plotly's initial range of a fraction; empty if all values fit.

    The range holds the feasible trials and leaves out infeasible ones that lie far off. Otherwise
    a training that collapsed to chance level would squeeze all other points into a corner.
    """
    if scale.axis.unit != "fraction" or not groups.feasible or not groups.infeasible:
        return {}
    feasible, infeasible = (
        [scale.factor * t.values[scale.axis.name] for t in trials]
        for trials in (groups.feasible, groups.infeasible)
    )
    width = max(feasible) - min(feasible) or 1.0
    low, high = min(feasible) - width, max(feasible) + width
    if min(infeasible) >= low and max(infeasible) <= high:
        return {}
    inside = [v for v in (*feasible, *infeasible) if low <= v <= high]
    return {"range": [min(inside) - 0.1 * width, max(inside) + 0.2 * width]}


def ticks_of(low: float, high: float) -> tuple[float, ...]:
    """Returns 1-2-5 steps that cover [low, high], both positive."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    inside = [s for s in steps if low / 2 <= s <= high * 2]
    return tuple(inside if len(inside) <= 9 else [s for s in inside if f"{s:e}"[0] == "1"])


def tick_text(value: float) -> str:
    """Returns the text of a tick: up to four significant digits."""
    return f"{value:.4g}"


def _factor_and_unit(unit: str, high: float) -> tuple[float, str]:
    match unit:
        case "fraction":
            return 100.0, "%"
        case "bytes":
            for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
                if high >= size:
                    return 1 / size, name
        case "parameters" | "MACs":
            for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
                if high >= size:
                    return 1 / size, name
    return 1.0, unit
