"""Tables wider than a terminal, cut into several, each with the first column again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

PADDING = 2
"""Blanks around a cell."""


@dataclass(frozen=True)
class Column:
    """A heading with a cell for each row.

    Attributes:
        heading: At the top.
        cells: One for each row.
        dim: Shown as of less weight.
    """

    heading: str
    cells: Sequence[str]
    dim: bool = False

    @property
    def width(self) -> int:
        """Characters it takes."""
        return max(map(len, (self.heading, *self.cells))) + PADDING


def packed(
    first: Column,
    groups: Sequence[Sequence[Column]],
    styles: Sequence[str | None],
    width: int,
) -> list[Table]:
    """As few tables as a terminal of this width needs.

    Args:
        first: Stands in each of them.
        groups: Columns that belong together and stay together.
        styles: Of the rows.
        width: Characters.
    """
    tables: list[list[Column]] = []
    for group in groups:
        wide = sum(column.width for column in group)
        if not tables or sum(c.width for c in tables[-1]) + wide > width - PADDING:
            tables.append([first])
        tables[-1] += group
    return [_table(columns, styles) for columns in tables]


def _table(columns: Sequence[Column], styles: Sequence[str | None]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        style = "dim" if column.dim else None
        table.add_column(column.heading, justify="right", no_wrap=True, style=style)
    for row, style in enumerate(styles):
        table.add_row(*(column.cells[row] for column in columns), style=style)
    return table
