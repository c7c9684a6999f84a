"""The columns of each objective of the front, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.objectives.base import Measurement
from paretune.search.study.records import Axis
from paretune.search.study.units import format_interval, format_quantity, format_times
from paretune.search.views.change_text import better_word, difference_text, noise_mark
from paretune.search.views.front_table import FrontRow

AGAINST = "vs base"
"""Heading of the differences of scores from the baseline."""


SEEDS = "seeds"
"""Heading of the number of trainings with different seeds, and of the spread between them."""


def headings_of(axes: Sequence[Axis], seeds: bool = False) -> list[str]:
    """Returns the headings of each objective: its name and `faster`, or `on test` and `vs base`.

    Args:
        axes: The objectives.
        seeds: Whether scores have a column for the trainings with different seeds.
    """
    headings = []
    for axis in axes:
        of_score = ["on test", AGAINST, *([SEEDS] if seeds else [])]
        further = of_score if axis.is_score else [better_word(axis)]
        headings += [axis.name, *further]
    return headings


def visible_columns(
    rows: Sequence[FrontRow], axes: Sequence[Axis], seeds: bool = False
) -> list[bool]:
    """Returns for each column whether it has content; the value of an objective is always shown.

    Without a baseline "faster" is empty, and without a test part "on test" is.
    """
    names = {axis.name for axis in axes}
    cells = [cells_of(row, axes, seeds) for row in rows]
    return [
        heading in names or any(row[index][0] for row in cells)
        for index, heading in enumerate(headings_of(axes, seeds))
    ]


def cells_of(row: FrontRow, axes: Sequence[Axis], seeds: bool = False) -> list[tuple[str, str]]:
    """Returns (text, 95 % interval) for each column; empty texts if there is no measurement."""
    cells: list[tuple[str, str]] = []
    for axis in axes:
        value = _value_cell(row.validation.get(axis.name))
        if axis.is_score:
            cells += [value, _value_cell(row.test.get(axis.name)), _change_cell(row, axis)]
            cells += [seeds_cell(row, axis)] if seeds else []
        else:
            cells += [value, (ratio_text(row, axis), "")]
    return cells


def ratio_text(row: FrontRow, axis: Axis) -> str:
    """Returns how many times better than the baseline a trial is: `5.2x`, `≈1.01x` within noise."""
    times = row.ratios.get(axis.name)
    if not times or not row.trial:
        return ""
    return noise_mark(row.changes.get(axis.name)) + format_times(times)


def seeds_cell(row: FrontRow, axis: Axis) -> tuple[str, str]:
    """Returns the number of trainings, and the deviation between them: `3` and `sd 0.42`.

    The deviation is in points for a fraction, else in the objective's unit.
    """
    spread = row.seeds.get(axis.name)
    if spread is None:
        return "", ""
    factor = 100 if axis.unit == "fraction" else 1
    return str(spread.count), f"sd {factor * spread.deviation:.2g}"


def _value_cell(measured: Measurement | None) -> tuple[str, str]:
    if measured is None:
        return "", ""
    return format_quantity(measured.value, measured), format_interval(measured)


def _change_cell(row: FrontRow, axis: Axis) -> tuple[str, str]:
    change = row.changes.get(axis.name)
    if change is None:
        return "", ""
    text, _, spread = difference_text(change, axis).partition(" ")
    return text, spread
