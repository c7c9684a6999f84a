"""The front's columns, two for each objective: what the terminal and the page both show."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.search.study.records import Axis
from paretune.search.study.units import format_interval, format_times, format_value
from paretune.search.views.front import FrontRow
from paretune.search.views.headline import better_word


def headings_of(axes: Sequence[Axis]) -> list[str]:
    """An objective's name, and what stands beside it: the test part, or times the baseline."""
    found = []
    for axis in axes:
        found += [axis.name, "on test" if axis.unit == "fraction" else better_word(axis)]
    return found


def shown_of(rows: Sequence[FrontRow], axes: Sequence[Axis]) -> list[bool]:
    """Which columns have anything to show; an objective's own column always has.

    A study without a baseline has no "faster", one without a test part no "on test".
    """
    cells = [cells_of(row, axes) for row in rows]
    return [place % 2 == 0 or any(row[place][0] for row in cells) for place in range(2 * len(axes))]


def cells_of(row: FrontRow, axes: Sequence[Axis]) -> list[tuple[str, str]]:
    """(text, 95 % interval in small print) for each column; empty where nothing is known."""
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
