"""The table of a retargeting for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from paretune.search.retargeting.table import RetargetInfo, RetargetRow
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.views.change_text import MARK, WITHIN, better_word
from paretune.search.views.front_columns import ratio_text
from paretune.search.views.front_text import disturbed_notes
from paretune.search.views.table_wrapping import TableColumn, wrap_columns


def retarget_view(info: RetargetInfo, width: int) -> RenderableType:
    """Returns the table for a terminal of `width` columns."""
    trials = [str(row.new.trial) if row.new.trial else "base" for row in info.rows]
    styles = [None if row.new.on_front else "dim" for row in info.rows]
    axes = [axis for axis in info.axes if Quantity.of(axis.name).target in (None, info.target)]
    groups = [_columns(axis, info.rows) for axis in axes]
    models = Table.grid(padding=(0, 2))
    models.add_column(justify="right", min_width=7)
    for number, row in zip(trials, info.rows, strict=True):
        models.add_row(number, _model(row))
    notes = [Text(f"trial {n}: {reason}", style="yellow") for n, reason in info.skipped.items()]
    disturbed = disturbed_notes({row.new.trial: row.new.validation for row in info.rows})
    notes += [Text(line, style="yellow") for line in disturbed]
    marked = any(ratio_text(row.new, axis).startswith(MARK) for row in info.rows for axis in axes)
    mark = f". {MARK}: only {WITHIN}" if marked else ""
    legend = Text(
        f"was: in the study. 2x: compared with the baseline here{mark}. ±: 95 % interval",
        style="dim",
    )
    tables = wrap_columns(TableColumn("trial", trials), groups, styles, width)
    return Group(Text(info.title, style="bold"), *tables, models, *notes, Text(), legend)


def _columns(axis: Axis, rows: tuple[RetargetRow, ...]) -> list[TableColumn]:
    """Returns new value, old value and, for a cost, how many times better than the baseline."""
    new = [row.new.validation[axis.name] for row in rows]
    spreads = ["" if axis.unit == "fraction" else format_interval(m) for m in new]
    values = [format_quantity(m.value, axis) for m in new]
    cells = [f"{value} {spread}".rstrip() for value, spread in zip(values, spreads, strict=True)]
    was = [format_quantity(row.was[axis.name].value, axis) for row in rows]
    columns = [TableColumn(axis.name, cells), TableColumn("was", was, dim=True)]
    if axis.is_score:
        return columns
    return [
        *columns,
        TableColumn(better_word(axis), [ratio_text(row.new, axis) for row in rows]),
    ]


def _model(row: RetargetRow) -> Text:
    """Returns the plan with its marks, and how its rank on the front changed."""
    text = Text(row.new.plan)
    for mark in row.new.marks:
        text.append(f"  <- {mark}", style="bold green")
    if not row.new.trial:
        text.append("  (baseline)", style="italic")
    if row.float_only:
        text.append(f"  ({row.note})", style="yellow")
    if row.new.on_front != row.was_on_front:
        change = "new on the front" if row.new.on_front else "no longer on the front"
        text.append(f"  ({change})", style="cyan")
    return text
