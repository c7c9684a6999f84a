"""Why no trial of a study is feasible, and what to change."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Constraint
from paretune.search.study.units import format_value, shown_unit
from paretune.search.views.words import count_text

MOST_REASONS = 3
"""Most reasons of infeasible or failed trials that are listed."""

LONGEST = 60
"""Longest text of a reason, in characters."""


_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "bytes"))


@dataclass(frozen=True)
class BrokenConstraint:
    """A constraint that trials broke.

    Attributes:
        text: The constraint as the user wrote it.
        quantity: Name of its quantity.
        unit: Unit of the quantity.
        upper: Whether the bound is the largest value allowed.
        relative: Whether the bound refers to the baseline.
        bound: The bound in its unit.
        broken: Number of trials that broke it.
        nearest: The trial that broke it by least.
        value: The value of this trial.
        baseline: The baseline's value; NaN if there is none.
    """

    text: str
    quantity: str
    unit: str
    upper: bool
    relative: bool
    bound: float
    broken: int
    nearest: int
    value: float
    baseline: float

    @property
    def line(self) -> str:
        """The constraint, its bound in its unit, and the trial that came nearest."""
        side = "at most" if self.upper else "at least"
        bound = f" ({side} {format_value(self.bound, self.unit)})" if self.relative else ""
        return (
            f"{count_text(self.broken, 'trial')} broke {self.text}{bound}; nearest: trial "
            f"{self.nearest} with {format_value(self.value, self.unit)}"
        )


@dataclass(frozen=True)
class InfeasibilityInfo:
    """Why no trial of a study is feasible.

    Attributes:
        trials: Number of trials without the baseline, repeats and running trials.
        constraints: The constraints that trials broke, the most often broken first.
        reasons: (state, reason) -> number of trials that ended without values.
        nearest: The trial that breaks its constraints by least; None if none was measured.
        misses: Constraint -> value of that trial, for the constraints that it breaks.
        loosened: The constraints that would admit that trial, as a study file has them.
    """

    trials: int
    constraints: tuple[BrokenConstraint, ...]
    reasons: Mapping[tuple[str, str], int]
    nearest: int | None
    misses: tuple[str, ...]
    loosened: tuple[str, ...]


def infeasibility_info(record: StudyRecord) -> InfeasibilityInfo | None:
    """Returns why no trial is feasible; None if one is, or no trial has ended. Pure.

    Args:
        record: The study with all its trials.
    """
    ended = [
        trial
        for trial in record.trials
        if trial.number and trial.repeat_of is None and trial.state not in ("running", "paused")
    ]
    if not ended or any(trial.feasible for trial in ended):
        return None
    constraints = _constraints(record)
    broken = [
        entry for c in constraints if (entry := _broken(c, ended, record.baseline)) is not None
    ]
    nearest = _nearest(ended)
    breaks = [c for c in constraints if nearest and nearest.violations.get(c.text, 0.0) > 0]
    return InfeasibilityInfo(
        len(ended),
        tuple(sorted(broken, key=lambda entry: -entry.broken)),
        Counter(_reason(trial) for trial in ended if trial.reason and not _is_broken(trial)),
        nearest.number if nearest else None,
        tuple(_miss_text(c, nearest, record.baseline) for c in breaks if nearest),
        tuple(_loosened(c, nearest, record.baseline) for c in breaks if nearest),
    )


def infeasible_lines(record: StudyRecord) -> list[str]:
    """Returns why no trial is feasible, for people; empty if one is."""
    info = infeasibility_info(record)
    if info is None:
        return []
    lines = [f"Of {count_text(info.trials, 'trial')}, none is feasible:"]
    lines += [f"  {entry.line}" for entry in info.constraints]
    reasons = sorted(info.reasons.items(), key=lambda item: -item[1])
    lines += [
        f"  {count_text(number, 'trial')} {state} {text}"
        for (state, text), number in reasons[:MOST_REASONS]
    ]
    if len(reasons) > MOST_REASONS:
        rest = sum(number for _, number in reasons[MOST_REASONS:])
        lines.append(f"  {count_text(rest, 'trial')} for other reasons")
    if info.nearest is not None and info.misses:
        lines.append(f"Trial {info.nearest} is the nearest: {'; '.join(info.misses)}.")
        lines += _change_lines(info)
    elif info.reasons:
        lines.append("To change: give the space values that avoid these reasons.")
    return lines


def _change_lines(info: InfeasibilityInfo) -> list[str]:
    """Returns what to change: the constraints that the nearest trial breaks, or the space."""
    noun = "constraint" if len(info.loosened) == 1 else "constraints"
    loosened = " and ".join(f'"{text}"' for text in info.loosened)
    quantities = sorted({entry.quantity for entry in info.constraints})
    return [
        f"To change: the {noun} {loosened} would admit it;",
        f"or give the space values with better {', '.join(quantities)}.",
        "A study with other constraints or another space needs another name and file.",
    ]


def _constraints(record: StudyRecord) -> list[Constraint]:
    """Returns the constraints of a study whose quantities were measured."""
    units = {name: m.unit for trial in record.trials for name, m in trial.measurements.items()}
    constraints = []
    for text in record.source.get("constraints") or ():
        try:
            constraints.append(read_constraint(text, units, record.targets))
        except (KeyError, ValueError):  # nothing has this quantity: every trial failed before
            continue
    return constraints


def _broken(
    constraint: Constraint, trials: Sequence[TrialRecord], baseline: TrialRecord | None
) -> BrokenConstraint | None:
    """Returns how trials broke a constraint; None if they did not."""
    breaking = [t for t in trials if t.violations.get(constraint.text, 0.0) > 0]
    if not breaking:
        return None
    nearest = min(breaking, key=lambda trial: trial.violations[constraint.text])
    unit = shown_unit(_unit(constraint, baseline, *trials), constraint.quantity)
    reference = _reference(constraint, baseline)
    return BrokenConstraint(
        constraint.text,
        constraint.quantity,
        unit,
        constraint.upper,
        constraint.bound.relative,
        constraint.bound.resolve(reference),
        len(breaking),
        nearest.number,
        constraint.value(nearest.violations[constraint.text], reference),
        reference,
    )


def _reference(constraint: Constraint, baseline: TrialRecord | None) -> float:
    """Returns the baseline's value of a quantity; 0 if there is none, for an absolute bound."""
    measured = baseline.measurements.get(constraint.quantity) if baseline else None
    return measured.value if measured else 0.0


def _unit(constraint: Constraint, *trials: TrialRecord | None) -> str:
    """Returns the unit of a constraint's quantity, from the first trial that measured it."""
    measured = (t.measurements.get(constraint.quantity) for t in trials if t is not None)
    return next((m.unit for m in measured if m is not None), "")


def _worst(trial: TrialRecord) -> float:
    """Returns the largest violation of a trial, as a share of the bound."""
    return max(trial.violations.values(), default=math.inf)


def _is_broken(trial: TrialRecord) -> bool:
    return any(violation > 0 for violation in trial.violations.values())


def _nearest(trials: Sequence[TrialRecord]) -> TrialRecord | None:
    """Returns the trial whose largest violation is smallest; one with all values before others."""
    breaking = [trial for trial in trials if _is_broken(trial)]
    complete = [trial for trial in breaking if trial.measured_now]
    return min(complete or breaking, key=_worst, default=None)


def _reason(trial: TrialRecord) -> tuple[str, str]:
    """Returns state and reason of a trial, short enough to count equal ones."""
    reason = trial.reason or {}
    text = (str(reason.get("text", "")).splitlines() or [""])[0]
    kind = f"{reason.get('type')}: " if trial.state == "failed" else ""
    shown = f"{kind}{text}"
    shown = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
    return trial.state, f"in {reason.get('stage', '?')}: {shown}"


def _miss_text(constraint: Constraint, trial: TrialRecord, baseline: TrialRecord | None) -> str:
    """Returns by how much a trial misses a bound: `latency is 0.104 ms, 0.013 ms above`."""
    reference = _reference(constraint, baseline)
    value = constraint.value(trial.violations[constraint.text], reference)
    unit = _unit(constraint, trial, baseline)
    apart = abs(value - constraint.bound.resolve(reference))
    distance = f"{100 * apart:.2f} points" if unit == "fraction" else format_value(apart, unit)
    side = "above" if constraint.upper else "below"
    shown = format_value(value, unit, constraint.quantity)
    return f"its {constraint.quantity} of {shown} is {distance} {side} the bound"


def _loosened(constraint: Constraint, trial: TrialRecord, baseline: TrialRecord | None) -> str:
    """Returns the constraint with the next round bound that a trial meets."""
    reference = _reference(constraint, baseline)
    value = constraint.value(trial.violations[constraint.text], reference)
    unit = _unit(constraint, trial, baseline)
    left = re.split(r"[<>]", constraint.text)[0].strip()
    sign = "<=" if constraint.upper else ">="
    if not constraint.bound.relative:
        return f"{left} {sign} {_bound_text(value, unit, constraint.upper)}"
    if constraint.bound.factor == 1.0 and unit == "fraction":
        points = _outward(100 * (value - reference), constraint.upper)
        return f"{left} {sign} baseline {'-' if points < 0 else '+'} {abs(points):g}%"
    factor = _outward(value / reference, constraint.upper) if reference else math.inf
    return f"{left} {sign} {factor:g} x baseline"


def _bound_text(value: float, unit: str, upper: bool) -> str:
    """Returns a value as the bound of a constraint: `0.11 ms`, `21.4 KB`, `71.2%`."""
    if unit == "fraction":
        return f"{_outward(100 * value, upper):g}%"
    if unit == "bytes":
        size, name = next((s, n) for s, n in _BYTES if value >= s or s == 1.0)
        return f"{_outward(value / size, upper):g} {name}"
    suffix = f" {unit}" if unit.isalpha() else ""  # a constraint cannot have another unit
    return f"{_outward(value, upper):.12g}{suffix}"


def _outward(value: float, up: bool) -> float:
    """Returns a value with three digits that is not smaller, or not larger."""
    if not value:
        return 0.0
    scale = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    steps = value / scale
    rounded = math.ceil(steps - 1e-9) if up else math.floor(steps + 1e-9)
    return float(f"{rounded * scale:.6g}")
