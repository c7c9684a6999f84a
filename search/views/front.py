"""The table of trade-offs: the front beside the baseline, with the marks that help to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from objectives.base import Measurement
from search.pareto import knee
from search.quantity import Quantity
from search.records import Axis, StudyRecord, TrialRecord
from search.views.plantext import plan_text

WITHIN = 0.01
"""One percentage point: what "within 1 point of the baseline" means."""


@dataclass(frozen=True)
class FrontRow:
    """One trade-off.

    Attributes:
        trial: Number of the trial; 0 is the baseline.
        plan: The plan in a few words.
        validation: Objective -> measurement on the validation part.
        test: Objective -> measurement on the test part, where there is one.
        ratios: Cost objective -> how many times better than the baseline.
        marks: "knee", "fastest within 1 point", ...
        on_front: False for a baseline that is dominated.
    """

    trial: int
    plan: str
    validation: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    ratios: Mapping[str, float]
    marks: tuple[str, ...]
    on_front: bool


@dataclass(frozen=True)
class FrontInfo:
    """The table: the baseline first, then the front by its first objective, best first."""

    study: str
    axes: tuple[Axis, ...]
    rows: tuple[FrontRow, ...]

    @property
    def baseline(self) -> FrontRow | None:
        """The baseline's row."""
        return self.rows[0] if self.rows and self.rows[0].trial == 0 else None

    def marked(self, mark: str) -> FrontRow | None:
        """The row with this mark."""
        return next((row for row in self.rows if mark in row.marks), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def front_info(record: StudyRecord) -> FrontInfo:
    """The table of a study; pure."""
    baseline, front = record.baseline, list(record.front)
    marks = marks_of(record)
    others = [trial for trial in front if trial.number != 0]
    if record.axes:
        first = record.axes[0]
        others.sort(key=lambda t: t.values[first.name], reverse=first.better == "higher")
    trials = [baseline, *others] if baseline else others
    return FrontInfo(
        record.name,
        record.axes,
        tuple(_row(trial, record, marks, trial.number in record.members) for trial in trials),
    )


def marks_of(record: StudyRecord) -> dict[int, tuple[str, ...]]:
    """Trial -> marks: the knee, and the best in each cost within a point of the baseline."""
    trials = [trial for trial in record.front if trial.number != 0]
    found: dict[int, list[str]] = {}
    if not trials:
        return {}
    losses = np.array([_losses(trial.values, record.axes) for trial in trials])
    found.setdefault(trials[knee(losses)].number, []).append("knee")
    near = near_baseline(trials, record)
    for axis in record.axes:
        quantity = Quantity.of(axis.name)
        word = {"ms": "fastest", "bytes": "smallest"}.get(axis.unit, f"least {quantity.local}")
        word += f" on {quantity.target}" if quantity.target else ""
        if axis.better == "lower" and near:
            best = min(near, key=lambda t: t.values[axis.name])
            found.setdefault(best.number, []).append(f"{word} within 1 point")
    return {number: tuple(marks) for number, marks in found.items()}


def near_baseline(trials: Sequence[TrialRecord], record: StudyRecord) -> list[TrialRecord]:
    """Those that lose at most a point of the first fraction objective, on validation."""
    fraction = next((a for a in record.axes if a.unit == "fraction" and a.better == "higher"), None)
    if record.baseline is None or fraction is None:
        return []
    least = record.baseline.values[fraction.name] - WITHIN - 1e-9
    return [trial for trial in trials if trial.values[fraction.name] >= least]


def _row(
    trial: TrialRecord, record: StudyRecord, marks: Mapping[int, tuple[str, ...]], member: bool
) -> FrontRow:
    names = [axis.name for axis in record.axes]
    measured = trial.measurements
    return FrontRow(
        trial=trial.number,
        plan=plan_text(trial.plan),
        validation={name: measured[name] for name in names if name in measured},
        test={name: trial.test[name] for name in names if name in trial.test},
        ratios=ratios_of(trial, record),
        marks=marks.get(trial.number, ()),
        on_front=member,
    )


def ratios_of(trial: TrialRecord, record: StudyRecord) -> dict[str, float]:
    """How many times better than the baseline a trial is in each objective that is no fraction."""
    if record.baseline is None:
        return {}
    found = {}
    for axis in record.axes:
        value, base = trial.values.get(axis.name), record.baseline.values[axis.name]
        if axis.unit == "fraction" or not value or not base:
            continue
        found[axis.name] = base / value if axis.better == "lower" else value / base
    return found


def _losses(values: Mapping[str, float], axes: Sequence[Axis]) -> list[float]:
    return [values[a.name] if a.better == "lower" else -values[a.name] for a in axes]
