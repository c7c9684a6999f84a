"""A study's front in another place, with the old numbers beside the new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from paretune.objectives.base import Measurement
from paretune.search.front.pareto import non_dominated
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.study.constraints import read_constraint
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.study.retarget_records import Retargeting
from paretune.search.study.units import format_interval, format_times, format_value
from paretune.search.views.front_table import FrontRow, front_info
from paretune.search.views.front_text import disturbed_notes
from paretune.search.views.headline import better_word
from paretune.search.views.table_wrapping import Column, packed


@dataclass(frozen=True)
class RetargetRow:
    """A trial in the new place.

    Attributes:
        new: Its measurements there; `new.on_front` says whether it is on the front there.
        was: Objective -> measurement in the study.
        was_on_front: Whether it was on the study's front.
        note: Which file was measured: the stored one, one exported anew, in float.
    """

    new: FrontRow
    was: Mapping[str, Measurement]
    was_on_front: bool
    note: str

    @property
    def float_only(self) -> bool:
        """Whether its quantization is missing there."""
        return self.note.startswith("float32")


@dataclass(frozen=True)
class RetargetInfo:
    """The table: the baseline, the new front by its first objective, then the others."""

    study: str
    target: str | None
    runtime: str
    options: Mapping[str, Any]
    host: Mapping[str, Any]
    measured_at: float
    axes: tuple[Axis, ...]
    rows: tuple[RetargetRow, ...]
    skipped: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)

    @property
    def title(self) -> str:
        """Where and when."""
        options = ", ".join(f"{key} {value}" for key, value in self.options.items())
        where = f"{self.target}: " if self.target else ""
        when = f"{datetime.fromtimestamp(self.measured_at):%Y-%m-%d %H:%M}"
        return (
            f"{self.study}: the front in {where}{self.runtime} ({options}), measured {when} on "
            f"{self.host.get('cpu')}, {self.host.get('cores')} cores"
        )


def retarget_info(found: Retargeting) -> RetargetInfo:
    """The table of a retargeting; pure."""
    old = {trial.number: trial for trial in found.record.trials}
    moved = moved_record(found)
    front = front_info(moved).rows
    others = front_info(_everybody(moved)).rows
    shown = {row.trial for row in front}
    left = (row for row in others if row.trial not in shown)
    rows = [*front, *(replace(row, on_front=False, marks=()) for row in left)]
    return RetargetInfo(
        found.record.name,
        found.deployment.target,
        found.deployment.name,
        found.deployment.options.model_dump(),
        found.host,
        max(row.measured_at for row in found.rows.values()),
        found.record.axes,
        tuple(
            RetargetRow(
                row,
                old[row.trial].measurements,
                row.trial in found.record.members,
                found.rows[row.trial].note,
            )
            for row in rows
        ),
        {number: row.note for number, row in found.rows.items() if not row.measured},
    )


def moved_record(found: Retargeting) -> StudyRecord:
    """The study as if it had been measured there: its measured trials, and the front of these."""
    record = found.record
    old = {trial.number: trial for trial in record.trials}
    measured = [row for row in found.rows.values() if row.measured]
    base = {**old[0].measurements, **found.rows[0].measured["validation"]}
    trials = [
        _moved(old[row.trial], row.measured, record, base)
        for row in sorted(measured, key=lambda row: row.trial)
    ]
    feasible = [trial for trial in trials if trial.feasible]
    signs = np.array([1.0 if axis.better == "lower" else -1.0 for axis in record.axes])
    values = np.array([[t.values[axis.name] for axis in record.axes] for t in feasible])
    on_front = list(non_dominated(values * signs)) if feasible else []
    members = tuple(t.number for t, on in zip(feasible, on_front, strict=True) if on)
    point = FrontPoint(max(found.rows), 0.0, None, members)
    return replace(record, trials=tuple(trials), growth=(point,), final_members=None)


def _moved(
    trial: TrialRecord,
    measured: Mapping[str, Mapping[str, Measurement]],
    record: StudyRecord,
    base: Mapping[str, Measurement],
) -> TrialRecord:
    """A trial with its measurements in the new place."""
    known = {**trial.measurements, **measured["validation"]}
    units = {name: m.unit for name, m in known.items()}
    constraints = [
        read_constraint(text, units, record.targets)
        for text in record.source.get("constraints") or ()
    ]
    return replace(
        trial,
        measurements=known,
        values={axis.name: known[axis.name].value for axis in record.axes},
        test={**trial.test, **measured["test"]},
        final={},
        violations=violations_of(constraints, values_by_name(known), values_by_name(base)),
    )


def _everybody(record: StudyRecord) -> StudyRecord:
    """The record with every trial on its front, to make a row of each."""
    numbers = tuple(trial.number for trial in record.trials)
    return replace(record, growth=(replace(record.growth[-1], members=numbers),))


def retarget_view(info: RetargetInfo, width: int) -> RenderableType:
    """The table for a terminal of so many columns."""
    trials = [str(row.new.trial) if row.new.trial else "base" for row in info.rows]
    styles = [None if row.new.on_front else "dim" for row in info.rows]
    here = [axis for axis in info.axes if Quantity.of(axis.name).target in (None, info.target)]
    groups = [_columns(axis, info.rows) for axis in here]
    models = Table.grid(padding=(0, 2))
    models.add_column(justify="right", min_width=7)
    for number, row in zip(trials, info.rows, strict=True):
        models.add_row(number, _model(row))
    notes = [Text(f"trial {n}: {why}", style="yellow") for n, why in info.skipped.items()]
    busy = disturbed_notes({row.new.trial: row.new.validation for row in info.rows})
    notes += [Text(line, style="yellow") for line in busy]
    legend = Text(
        "was: in the study. times: against the baseline there; ±: 95 % interval", style="dim"
    )
    tables = packed(Column("trial", trials), groups, styles, width)
    return Group(Text(info.title, style="bold"), *tables, models, *notes, Text(), legend)


def _columns(axis: Axis, rows: tuple[RetargetRow, ...]) -> list[Column]:
    """The new value with its interval, the old one, and times the baseline of a cost."""
    new = [row.new.validation[axis.name] for row in rows]
    spreads = ["" if axis.unit == "fraction" else format_interval(m) for m in new]
    values = [format_value(m.value, axis.unit) for m in new]
    shown = [f"{value} {spread}".rstrip() for value, spread in zip(values, spreads, strict=True)]
    was = [format_value(row.was[axis.name].value, axis.unit) for row in rows]
    found = [Column(axis.name, shown), Column("was", was, dim=True)]
    if axis.unit == "fraction":
        return found
    times = [row.new.ratios.get(axis.name) if row.new.trial else None for row in rows]
    return [*found, Column(better_word(axis), [format_times(t) if t else "" for t in times])]


def _model(row: RetargetRow) -> Text:
    """What was built, and what became of it there."""
    text = Text(row.new.plan)
    for mark in row.new.marks:
        text.append(f"  <- {mark}", style="bold green")
    if not row.new.trial:
        text.append("  (baseline)", style="italic")
    if row.float_only:
        text.append(f"  ({row.note})", style="yellow")
    if row.new.on_front != row.was_on_front:
        now = "new on the front" if row.new.on_front else "no longer on the front"
        text.append(f"  ({now})", style="cyan")
    return text
