"""A small plot of the front that any notebook shows: SVG, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from typing import TYPE_CHECKING

from paretune.search.study.units import format_quantity
from paretune.search.views.plot_style import BASELINE, FRONT, GRID, MUTED

if TYPE_CHECKING:
    from paretune.search.study.records import Axis
    from paretune.search.views.front_table import FrontInfo

SIZE = (520, 300)
MARGIN = (78, 16, 14, 46)
"""Pixels left, right, above and below the plot."""

LOG_FROM = 4.0
"""Values that differ by this factor or more get a logarithmic axis."""


@dataclass(frozen=True)
class _Scale:
    """Places values of one objective between two pixels.

    Attributes:
        axis: The objective.
        low: Least value.
        high: Greatest value.
        start: Pixel of the least value.
        end: Pixel of the greatest value.
    """

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    @property
    def log(self) -> bool:
        return self.axis.unit != "fraction" and self.low > 0 and self.high / self.low >= LOG_FROM

    def pixel(self, value: float) -> float:
        low, high, each = self.low, self.high, value
        if self.log:
            low, high, each = log10(low), log10(high), log10(value)
        share = (each - low) / (high - low) if high > low else 0.5
        return round(self.start + (0.06 + 0.88 * share) * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Returns three values: both ends and the middle."""
        if self.high == self.low:
            return [self.low]
        middle = (self.low * self.high) ** 0.5 if self.log else (self.low + self.high) / 2
        return [self.low, middle, self.high]


def front_svg(info: FrontInfo) -> str:
    """Returns the first objective against the second; an empty text for a single objective."""
    if len(info.axes) < 2:
        return ""
    y_axis, x_axis = info.axes[:2]
    points = [
        (row.trial, row.validation[x_axis.name].value, row.validation[y_axis.name].value)
        for row in info.rows
        if x_axis.name in row.validation and y_axis.name in row.validation
    ]
    if not points:
        return ""
    left, right, top, bottom = MARGIN
    x = _scale(x_axis, [p[1] for p in points], left, SIZE[0] - right)
    y = _scale(y_axis, [p[2] for p in points], SIZE[1] - bottom, top)
    marks = "".join(_mark(number, x.pixel(a), y.pixel(b), x, y, a, b) for number, a, b in points)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE[0]} {SIZE[1]}" '
        f'width="{SIZE[0]}" role="img" aria-label="{escape(y_axis.name)} against '
        f'{escape(x_axis.name)}" style="max-width:100%;background:white" '
        'font-family="system-ui,sans-serif" font-size="11">'
        f"{_grid(x, y)}{marks}</svg>"
    )


def _scale(axis: Axis, values: Sequence[float], start: float, end: float) -> _Scale:
    return _Scale(axis, min(values), max(values), start, end)


def _label(text: str, x: float, y: float, anchor: str, colour: str = MUTED) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _grid(x: _Scale, y: _Scale) -> str:
    parts = []
    for value in x.ticks():
        pixel = x.pixel(value)
        parts.append(
            f'<line x1="{pixel}" x2="{pixel}" y1="{y.start}" y2="{y.end}" stroke="{GRID}"/>'
            + _label(format_quantity(value, x.axis), pixel, y.start + 15, "middle")
        )
    for value in y.ticks():
        pixel = y.pixel(value)
        parts.append(
            f'<line x1="{x.start}" x2="{x.end}" y1="{pixel}" y2="{pixel}" stroke="{GRID}"/>'
            + _label(format_quantity(value, y.axis), x.start - 6, pixel + 4, "end")
        )
    title = f"{y.axis.name} against {x.axis.name} ({x.axis.better} is better)"
    parts.append(_label(title, (x.start + x.end) / 2, SIZE[1] - 8, "middle", BASELINE))
    return "".join(parts)


def _mark(number: int, x: float, y: float, xs: _Scale, ys: _Scale, a: float, b: float) -> str:
    name = f"trial {number}" if number else "baseline"
    values = (
        f"{ys.axis.name} {format_quantity(b, ys.axis)}, "
        f"{xs.axis.name} {format_quantity(a, xs.axis)}"
    )
    title = f"<title>{escape(f'{name}: {values}')}</title>"
    label = f'<text x="{x + 7}" y="{y + 4}" fill="{MUTED}">{number or "baseline"}</text>'
    if not number:
        return (
            f'<g><rect x="{x - 4}" y="{y - 4}" width="8" height="8" fill="{BASELINE}">{title}'
            f"</rect>{label}</g>"
        )
    return f'<g><circle cx="{x}" cy="{y}" r="5" fill="{FRONT}">{title}</circle>{label}</g>'
