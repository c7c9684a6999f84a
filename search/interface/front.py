"""The front of a study as an object: rows, text, table with plot, data frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any, overload

from paretune.search.interface.shown import (
    WIDTH,
    Shown,
    columns_of,
    data_frame,
    html_table,
    preformatted,
)

if TYPE_CHECKING:
    import pandas as pd

    from paretune.search.views.front_table import FrontInfo, FrontRow


class StudyFront(Shown, Sequence["FrontRow"]):
    """The baseline and the trials of the front, ordered by the first objective, best first.

    Attributes:
        info: The table behind it, with the objectives and the trials close to the front.
        reasons: Why no trial is feasible, if none is.
    """

    def __init__(self, info: FrontInfo, reasons: Sequence[str] = ()) -> None:
        self.info = info
        self.reasons = tuple(reasons)

    def __len__(self) -> int:
        return len(self.info.rows)

    @overload
    def __getitem__(self, index: int) -> FrontRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[FrontRow]: ...

    def __getitem__(self, index: int | slice) -> FrontRow | Sequence[FrontRow]:
        return self.info.rows[index]

    def text(self, width: int | None = None) -> str:
        """Returns the table as `paretune front` prints it."""
        import click

        from paretune.search.views.front_text import front_view

        table = front_view(self.info, columns_of(width)).text()
        return "\n".join([click.unstyle(table), *self.reasons])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns a flat dictionary for each row; values are in the objectives' units."""
        return [self._flat(row) for row in self.info.rows]

    def to_pandas(self) -> pd.DataFrame:
        """Returns the rows as a data frame; `attrs["units"]` has the units.

        Raises:
            UserError: pandas is not installed.
        """
        frame = data_frame(self.to_dicts(), "trial")
        frame.attrs["units"] = {axis.name: axis.unit for axis in self.info.axes}
        return frame

    def _repr_html_(self) -> str:
        from paretune.search.interface.front_plot import front_svg

        if not self.info.rows:
            return preformatted(self.text(WIDTH))
        notes = [*self.reasons, *([self.info.no_test] if self.info.no_test else [])]
        return self._html_table() + front_svg(self.info) + "".join(map(preformatted, notes))

    def _html_table(self) -> str:
        from paretune.search.study.units import format_chance
        from paretune.search.views.front_columns import cells_of, headings_of, visible_columns
        from paretune.search.views.front_text import mark_text

        axes, rows = self.info.axes, self.info.rows
        seeds = bool(self.info.seeds)
        visible = visible_columns(rows, axes, seeds)
        chances = any(row.chance is not None for row in rows)
        headings = ["trial", *compress(headings_of(axes, seeds), visible)]
        cells = []
        for row in rows:
            values = [" ".join(filter(None, cell)) for cell in cells_of(row, axes, seeds)]
            marks = "".join(f"  ← {mark_text(row, mark)}" for mark in row.marks)
            cells.append(
                [
                    str(row.trial) if row.trial else "baseline",
                    *compress(values, visible),
                    *([format_chance(row.chance)] if chances else []),
                    row.plan + marks,
                ]
            )
        return html_table([*headings, *(["P(front)"] if chances else []), "model"], cells)

    def _flat(self, row: FrontRow) -> dict[str, Any]:
        values: dict[str, Any] = {"trial": row.trial, "on_front": row.on_front}
        for axis in self.info.axes:
            measured, test = row.validation.get(axis.name), row.test.get(axis.name)
            if measured is not None:
                values |= {
                    axis.name: measured.value,
                    f"{axis.name}.low": measured.low,
                    f"{axis.name}.high": measured.high,
                }
            if test is not None:
                values[f"test.{axis.name}"] = test.value
            if spread := row.seeds.get(axis.name):
                values[f"{axis.name}.seeds"] = spread.count
                values[f"{axis.name}.seeds_sd"] = spread.deviation
            if axis.name in row.ratios:
                values[f"{axis.name}.times_better"] = row.ratios[axis.name]
        return {**values, "chance": row.chance, "marks": ", ".join(row.marks), "plan": row.plan}
