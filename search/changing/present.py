"""What a trial's stored measurements mean in the present version of a study. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.measuring.structural_constraints import surely_breaks
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import Constraint, StudySpec

SCREENED = "Constraint"
"""The type in the reason of a trial that a constraint ended before its training."""


@dataclass(frozen=True)
class PresentTrial:
    """A trial in the present version.

    Attributes:
        values: Objective -> value; empty if something that this version needs is not measured.
        violations: Constraint text -> violation, of the constraints that can be decided.
        missing: Quantities that a complete trial lacks.
        is_retried: Whether it ended by a constraint that is gone or looser, before its training.
    """

    values: Mapping[str, float]
    violations: Mapping[str, float]
    missing: frozenset[str] = frozenset()
    is_retried: bool = False


def required_quantities(spec: StudySpec) -> dict[str, str | None]:
    """Returns quantity -> its unit, of all that a complete trial must have; None for any unit."""
    bounded = {constraint.quantity: None for constraint in (*spec.constraints, *spec.goals)}
    return {**bounded, **{objective.name: objective.unit for objective in spec.objectives}}


def valid_measurements(
    measurements: Mapping[str, Measurement], spec: StudySpec, stale: Collection[str] = ()
) -> dict[str, Measurement]:
    """Returns the measurements that hold in this version.

    Args:
        measurements: Quantity -> measurement.
        spec: The study.
        stale: Quantities that were measured with other options.
    """
    units = required_quantities(spec)
    return {
        name: m
        for name, m in measurements.items()
        if name not in stale and units.get(name) in (None, m.unit)
    }


def present_trial(
    trial: TrialRecord,
    spec: StudySpec,
    baseline: Mapping[str, Measurement] | None,
    stale: Collection[str] = (),
) -> PresentTrial:
    """Returns what a trial's measurements mean in this version.

    Args:
        trial: The trial.
        spec: The study.
        baseline: The baseline's valid measurements; None in a study without a baseline.
        stale: Quantities that were measured with other options.
    """
    measured = valid_measurements(trial.measurements, spec, stale)
    reference = measured if baseline is None else baseline
    if trial.state in ("paused", "stopped"):
        return _held_trial(trial, spec, reference, stale)
    values = {name: m.value for name, m in measured.items()}
    violations = _violations(spec, values, reference)
    if trial.state == "complete":
        missing = frozenset(required_quantities(spec).keys() - measured.keys())
        named = {} if missing else {o.name: values[o.name] for o in spec.objectives}
        return PresentTrial(named, violations, missing)
    if not is_screened(trial.reason):
        return PresentTrial({}, {})
    broken = any(
        surely_breaks(c, measured[c.quantity], base)
        for c in spec.constraints
        if c.quantity in measured and (base := _base(c, reference)) is not None
    )
    return PresentTrial({}, violations, is_retried=not broken)


def is_screened(reason: Mapping[str, Any] | None) -> bool:
    """Returns whether a constraint ended a trial before its training."""
    return reason is not None and reason.get("type") == SCREENED


def _held_trial(
    trial: TrialRecord,
    spec: StudySpec,
    reference: Mapping[str, Measurement],
    stale: Collection[str],
) -> PresentTrial:
    """Returns a trial that racing paused or stopped, with its values at its last rung."""
    values = {name: value for name, value in trial.values.items() if name not in stale}
    names = [objective.name for objective in spec.objectives]
    is_known = all(name in values for name in names)
    ordered = {name: values[name] for name in names} if is_known else {}
    return PresentTrial(ordered, _violations(spec, values, reference))


def _violations(
    spec: StudySpec, values: Mapping[str, float], reference: Mapping[str, Measurement]
) -> dict[str, float]:
    """Returns constraint text -> violation, of the constraints that can be decided."""
    return {
        c.text: c.violation(values[c.quantity], base)
        for c in spec.constraints
        if c.quantity in values and (base := _base(c, reference)) is not None
    }


def _base(constraint: Constraint, reference: Mapping[str, Measurement]) -> float | None:
    """Returns the baseline's value for a constraint; None if it is needed and not measured."""
    if not constraint.bound.relative:
        return 0.0
    measurement = reference.get(constraint.quantity)
    return None if measurement is None else measurement.value
