"""The front for the terminal. Returns what is to be printed, and prints nothing."""

from __future__ import annotations

from itertools import compress

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.records import Axis
from search.views.columns import cells_of, headings_of, shown_of
from search.views.front import FrontInfo, FrontRow

WIDE = 130
"""Columns from which the models stand beside their figures; else they follow below."""


def front_view(info: FrontInfo, width: int) -> RenderableType:
    """The front beside the baseline, for a terminal of so many columns."""
    if not info.rows:
        return Text("no trial is on the front yet")
    table = Table(box=box.SIMPLE_HEAD, title=f"{info.study}: the front", title_justify="left")
    models = Table.grid(padding=(0, 2))
    shown = shown_of(info.rows, info.axes)
    for heading in ["trial", *compress(headings_of(info.axes), shown)]:
        table.add_column(heading, justify="right", no_wrap=True)
    models.add_column(justify="right", min_width=7)
    wide = width >= WIDE
    if wide:
        table.add_column("model")
    for row in info.rows:
        trial = str(row.trial) if row.trial else "base"
        model = [_model(row)] if wide else []
        style = None if row.on_front else "dim"
        table.add_row(trial, *compress(_figures(row, info.axes), shown), *model, style=style)
        models.add_row(trial, _model(row))
    legend = Text(_legend(info), style="dim")
    return Group(table, legend) if wide else Group(table, models, Text(), legend)


def _figures(row: FrontRow, axes: tuple[Axis, ...]) -> list[str]:
    """The cells as text; an accuracy's interval is in the legend, said once."""
    units = [axis.unit for axis in axes for _ in range(2)]
    return [
        text if unit == "fraction" else f"{text} {spread}".rstrip()
        for (text, spread), unit in zip(cells_of(row, axes), units, strict=True)
    ]


def _model(row: FrontRow) -> Text:
    """What was built, and what speaks for it."""
    plan = Text(row.plan)
    for mark in row.marks:
        plan.append(f"  <- {mark}", style="bold green")
    if not row.trial:
        plan.append("  (baseline)", style="italic")
    return plan


def _legend(info: FrontInfo) -> str:
    """What the intervals are, said once instead of in every cell."""
    parts = []
    for axis in info.axes:
        first = info.rows[0].validation.get(axis.name)
        if axis.unit == "fraction" and first is not None and first.low < first.high:
            test = info.rows[0].test.get(axis.name)
            parts.append(
                f"{axis.name}: on {first.count} validation images"
                + (f" and {test.count} test images" if test else "")
                + f"; 95 % interval about ± {50 * (first.high - first.low):.1f} points"
            )
    if info.baseline is not None:
        parts.append("times: against the baseline; ±: 95 % interval")
    return ". ".join(parts)
