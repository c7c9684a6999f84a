"""Tables for the terminal. They return what is to be printed, and print nothing."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.check import CheckInfo
from search.format import format_interval, format_times, format_value
from search.front import FrontInfo, FrontRow
from search.records import Axis, StudyRecord
from search.spec import StudySpec


def front_view(info: FrontInfo) -> RenderableType:
    """The front beside the baseline."""
    if not info.rows:
        return Text("no trial is on the front yet")
    table = Table(box=box.SIMPLE_HEAD, title=f"{info.study}: the front", title_justify="left")
    table.add_column("trial", justify="right")
    for axis in info.axes:
        if axis.unit == "fraction":
            table.add_column(axis.name, justify="right")
            table.add_column("on test", justify="right")
        else:
            table.add_column(axis.name, justify="right")
            table.add_column(better_word(axis), justify="right")
    table.add_column("model")
    for row in info.rows:
        table.add_row(*_cells(row, info.axes), style=None if row.on_front else "dim")
    return Group(table, Text(_legend(info), style="dim"))


def better_word(axis: Axis) -> str:
    """The heading of a ratio to the baseline."""
    return {"ms": "faster", "bytes": "smaller"}.get(axis.unit, "better")


def _cells(row: FrontRow, axes: tuple[Axis, ...]) -> list[str | Text]:
    cells: list[str | Text] = [str(row.trial) if row.trial else "base"]
    for axis in axes:
        measured = row.validation.get(axis.name)
        if measured is None:
            cells += ["", ""]
            continue
        value = format_value(measured.value, axis.unit)
        spread = format_interval(measured)
        if axis.unit == "fraction":
            test = row.test.get(axis.name)
            cells.append(value)
            cells.append(format_value(test.value, axis.unit) if test else "")
        else:
            cells.append(f"{value} {spread}".rstrip())
            times = row.ratios.get(axis.name)
            cells.append(format_times(times) if times and row.trial else "")
    plan = Text(row.plan)
    for mark in row.marks:
        plan.append(f"  <- {mark}", style="bold green")
    if not row.trial:
        plan.append("  (baseline)", style="italic")
    return [*cells, plan]


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
    parts.append("times: against the baseline; ±: 95 % interval")
    return ". ".join(parts)


def goals_text(spec: StudySpec, record: StudyRecord) -> list[str]:
    """One line for each goal: reached, and by whom."""
    base = record.baseline
    lines = []
    for goal in spec.goals:
        if base is None or goal.quantity not in base.measurements:
            continue
        reference = base.measurements[goal.quantity].value
        reached = [
            trial.number
            for trial in record.front
            if trial.number
            and goal.violation(trial.measurements[goal.quantity].value, reference) <= 0
        ]
        shown = ", ".join(map(str, reached[:6])) + (", ..." if len(reached) > 6 else "")
        lines.append(
            f"goal {goal.text}: " + (f"reached by trial {shown}" if reached else "not yet")
        )
    return lines


def check_view(info: CheckInfo) -> RenderableType:
    """What `paretune check` prints."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in (
        ("study", info.study),
        ("data", info.data),
        ("baseline", info.baseline),
        ("stages", " -> ".join(info.stages)),
        ("runtime", info.runtime),
        ("objectives", "\n".join(info.objectives)),
        ("constraints", "\n".join(info.constraints) or "none"),
        ("goals", "\n".join(info.goals) or "none"),
        ("sampler", info.sampler),
        ("budget", info.budget),
        ("storage", info.storage),
    ):
        facts.add_row(name, Text(value))
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("parameter", "domain", "exists when"):
        table.add_column(heading, overflow="fold")
    for parameter in info.parameters:
        table.add_row(parameter.name, Text(parameter.domain), parameter.condition)
    notes = [Text(f"note: {note}", style="yellow") for note in info.notes]
    return Group(facts, table, Text(info.plans), *notes)
