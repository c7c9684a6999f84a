"""The table of a retargeting: the front in the new runtime, next to the study's numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement, json_of
from paretune.search.front.pareto import non_dominated
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.study.retarget_records import RetargetedStudy
from paretune.search.views.front_table import FrontRow, front_info


@dataclass(frozen=True)
class RetargetRow:
    """A trial in the new runtime.

    Attributes:
        new: Its measurements there; `new.on_front` is True if it is on the new front.
        was: Objective -> measurement in the study.
        was_on_front: True if it is on the study's front.
        note: Origin of the measured file, or the reason why nothing was measured.
    """

    new: FrontRow
    was: Mapping[str, Measurement]
    was_on_front: bool
    note: str

    @property
    def float_only(self) -> bool:
        """True if the new runtime lacks its quantization."""
        return self.note.startswith("float32")


@dataclass(frozen=True)
class RetargetInfo:
    """The table: the baseline, the new front by its first objective, then the other trials.

    Attributes:
        study: Name of the study.
        target: Target of the study; None if it has one runtime.
        runtime: Name of the runtime.
        options: Options of the runtime.
        host: Facts about the machine.
        measured_at: Unix time of the last measurement.
        axes: The study's objectives.
        rows: The trials.
        skipped: Trial -> why it was not measured.
    """

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
        """Returns the whole table as JSON."""
        return json_of(self)

    @property
    def title(self) -> str:
        """Study, runtime, time and machine."""
        options = ", ".join(f"{key} {value}" for key, value in self.options.items())
        target = f"{self.target}: " if self.target else ""
        time = f"{datetime.fromtimestamp(self.measured_at):%Y-%m-%d %H:%M}"
        return (
            f"{self.study}: the front in {target}{self.runtime} ({options}), measured {time} on "
            f"{self._machine()}"
        )

    def _machine(self) -> str:
        cores = self.host.get("cores")
        text = f"{self.host.get('cpu')}, {cores} core{'' if cores == 1 else 's'}"
        address = self.host.get("address")  # only a device has one
        return f"{address} ({text})" if address else text


def retarget_info(result: RetargetedStudy) -> RetargetInfo:
    """Returns the table of a retargeting."""
    trials = {trial.number: trial for trial in result.record.trials}
    record = retargeted_record(result)
    front = front_info(record).rows
    on_front = {row.trial for row in front}
    others = (row for row in front_info(_all_on_front(record)).rows if row.trial not in on_front)
    rows = [*front, *(replace(row, on_front=False, marks=()) for row in others)]
    return RetargetInfo(
        result.record.name,
        result.deployment.target,
        result.deployment.name,
        result.deployment.options.model_dump(),
        result.host,
        max(row.measured_at for row in result.rows.values()),
        result.record.axes,
        tuple(
            RetargetRow(
                row,
                trials[row.trial].measurements,
                row.trial in result.record.members,
                result.rows[row.trial].note,
            )
            for row in rows
        ),
        {number: row.note for number, row in result.rows.items() if not row.measured},
    )


def retargeted_record(result: RetargetedStudy) -> StudyRecord:
    """Returns the study as if it had been measured there: the measured trials and their front."""
    record = result.record
    by_number = {trial.number: trial for trial in record.trials}
    measured = [row for row in result.rows.values() if row.measured]
    baseline = {**by_number[0].measurements, **result.rows[0].measured["validation"]}
    trials = [
        _retargeted_trial(by_number[row.trial], row.measured, record, baseline)
        for row in sorted(measured, key=lambda row: row.trial)
    ]
    feasible = [trial for trial in trials if trial.feasible]
    signs = np.array([1.0 if axis.better == "lower" else -1.0 for axis in record.axes])
    values = np.array([[t.values[axis.name] for axis in record.axes] for t in feasible])
    on_front = list(non_dominated(values * signs)) if feasible else []
    members = tuple(t.number for t, on in zip(feasible, on_front, strict=True) if on)
    point = FrontPoint(max(result.rows), 0.0, None, members)
    return replace(record, trials=tuple(trials), growth=(point,), final_members=None)


def _retargeted_trial(
    trial: TrialRecord,
    measured: Mapping[str, Mapping[str, Measurement]],
    record: StudyRecord,
    baseline: Mapping[str, Measurement],
) -> TrialRecord:
    """Returns a trial with its measurements in the new runtime."""
    measurements = {**trial.measurements, **measured["validation"]}
    units = {name: m.unit for name, m in measurements.items()}
    constraints = [
        read_constraint(text, units, record.targets)
        for text in record.source.get("constraints") or ()
    ]
    return replace(
        trial,
        measurements=measurements,
        values={axis.name: measurements[axis.name].value for axis in record.axes},
        test={**trial.test, **measured["test"]},
        final={},
        searched={},
        violations=violations_of(
            constraints, values_by_name(measurements), values_by_name(baseline)
        ),
    )


def _all_on_front(record: StudyRecord) -> StudyRecord:
    """Returns the record with every trial on its front, so that each gets a row."""
    numbers = tuple(trial.number for trial in record.trials)
    return replace(record, growth=(replace(record.growth[-1], members=numbers),))
