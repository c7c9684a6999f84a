"""Two columns for each objective of the front, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.search.study.records import Axis
from paretune.search.study.units import format_interval, format_times, format_value
from paretune.search.views.front_table import FrontRow
from paretune.search.views.headline import better_word


def headings_of(axes: Sequence[Axis]) -> list[str]:
    """Returns two headings for each objective: its name, and "on test" or "faster" or the like."""
    headings = []
    for axis in axes:
        headings += [axis.name, "on test" if axis.unit == "fraction" else better_word(axis)]
    return headings


def visible_columns(rows: Sequence[FrontRow], axes: Sequence[Axis]) -> list[bool]:
    """Returns for each column whether it has content; the value of an objective is always shown.

    Without a baseline "faster" is empty, and without a test part "on test" is.
    """
    cells = [cells_of(row, axes) for row in rows]
    return [index % 2 == 0 or any(row[index][0] for row in cells) for index in range(2 * len(axes))]


def cells_of(row: FrontRow, axes: Sequence[Axis]) -> list[tuple[str, str]]:
    """Returns (text, 95 % interval) for each column; empty texts if there is no measurement."""
    cells: list[tuple[str, str]] = []
    for axis in axes:
        measured = row.validation.get(axis.name)
        if measured is None:
            cells += [("", ""), ("", "")]
            continue
        cells.append((format_value(measured.value, axis.unit), format_interval(measured)))
        if axis.unit == "fraction":
            test = row.test.get(axis.name)
            cells.append(
                (format_value(test.value, axis.unit), format_interval(test)) if test else ("", "")
            )
        else:
            times = row.ratios.get(axis.name)
            cells.append((format_times(times) if times and row.trial else "", ""))
    return cells
