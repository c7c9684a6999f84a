"""How values of an objective are drawn: scaled, with a unit, on a linear or logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.study.records import Axis, TrialRecord

LOG_FROM = 4.0
"""A cost whose largest value is so many times its smallest gets a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """How values of an objective are drawn: multiplied, with a unit, on which kind of axis."""

    axis: Axis
    factor: float
    unit: str
    log: bool
    ticks: tuple[float, ...]

    @property
    def title(self) -> str:
        """Name, unit and which way is better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.axis.name}{unit}, {self.axis.better} is better"

    def layout(self) -> dict[str, Any]:
        """The axis for plotly."""
        found: dict[str, Any] = {"title": {"text": self.title}}
        if self.log:
            found |= {
                "type": "log",
                "tickvals": self.ticks,
                "ticktext": [*map(tick_text, self.ticks)],
            }
        return found


def scale_of(axis: Axis, trials: Sequence[TrialRecord]) -> Scale:
    """The scale that suits the values at hand."""
    values = [trial.values[axis.name] for trial in trials] or [1.0]
    low, high = min(values), max(values)
    factor, unit = _unit(axis.unit, high)
    log = axis.unit != "fraction" and low > 0 and high / low >= LOG_FROM
    return Scale(axis, factor, unit, log, ticks_of(low * factor, high * factor) if log else ())


def _unit(unit: str, high: float) -> tuple[float, str]:
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


def ticks_of(low: float, high: float) -> tuple[float, ...]:
    """1-2-5 steps that cover [low, high], both positive."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    inside = [s for s in steps if low / 2 <= s <= high * 2]
    return tuple(inside if len(inside) <= 9 else [s for s in inside if f"{s:e}"[0] == "1"])


def tick_text(value: float) -> str:
    """A number beside a tick."""
    return f"{value:.4g}"
