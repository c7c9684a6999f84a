"""Splits a table that is wider than the terminal; each part repeats the first column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

PADDING = 2
"""Blanks around a cell."""


@dataclass(frozen=True)
class TableColumn:
    """A heading with a cell for each row.

    Attributes:
        heading: Text at the top.
        cells: One text for each row.
        dim: Whether the column is drawn dim.
    """

    heading: str
    cells: Sequence[str]
    dim: bool = False

    @property
    def width(self) -> int:
        """Width of the column in characters, with padding."""
        return max(map(len, (self.heading, *self.cells))) + PADDING


def wrap_columns(
    first: TableColumn,
    groups: Sequence[Sequence[TableColumn]],
    styles: Sequence[str | None],
    width: int,
) -> list[Table]:
    """Returns as few tables as a terminal of this width needs.

    Args:
        first: The column that each table repeats.
        groups: Columns that stay together in one table.
        styles: The style of each row.
        width: Width of the terminal in characters.
    """
    tables: list[list[TableColumn]] = []
    for group in groups:
        needed = sum(column.width for column in group)
        if not tables or sum(c.width for c in tables[-1]) + needed > width - PADDING:
            tables.append([first])
        tables[-1] += group
    return [_table(columns, styles) for columns in tables]


def _table(columns: Sequence[TableColumn], styles: Sequence[str | None]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        style = "dim" if column.dim else None
        table.add_column(column.heading, justify="right", no_wrap=True, style=style)
    for row, style in enumerate(styles):
        table.add_row(*(column.cells[row] for column in columns), style=style)
    return table
