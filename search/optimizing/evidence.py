"""Evidence on the parameters of a space: each trial, and its chance to be on the front. Pure.

A trial is compared with trials that trained no longer than it. Otherwise a short trial would lose
to a long one because of its epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.differences import has_relative_noise
from paretune.search.front.noisy_points import noisy_points
from paretune.search.front.probabilities import non_dominated_chances
from paretune.search.optimizing.goals import worst_margin
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Constraint

SEED_NOISE = 0.005
"""Standard deviation of a score between two trainings that differ in their seed alone.

Half a point of accuracy, or 0.5 % of any other score. The intervals of measurements do not hold
it: they are about other examples, with the same weights.
"""

STAGES = {
    "pretrain": "pretrain",
    "pruning": "prune",
    "finetune": "finetune",
    "quantization": "quantize",
}
"""Section of the space -> the stage that it decides."""

NOTHING_SHORT: Mapping[str, int] = MappingProxyType({})
"""The full epochs of a study in which no round shortens a training."""

BEST = 5
"""Number of trials that are nearest to the goals, and decide where a range is widened."""


@dataclass(frozen=True)
class Evidence:
    """A finished trial as the rules of a round need it.

    Attributes:
        number: Trial number.
        params: Parameter name -> number or label.
        chance: Probability that no trial of at most its epochs is better in every objective; 0 for
            a trial that is infeasible, failed, or breaks a constraint beyond noise.
        epochs: Epochs of all its trainings.
        impossible: Whether the candidate cannot exist.
        best: Whether it is one of the trials nearest to the goals.
    """

    number: int
    params: Mapping[str, Any]
    chance: float
    epochs: int
    impossible: bool = False
    best: bool = False


def evidence_of(
    record: StudyRecord, goals: Sequence[Constraint], full: Mapping[str, int] = NOTHING_SHORT
) -> tuple[Evidence, ...]:
    """Returns the finished trials of a study, without the baseline and repeats.

    A bound on a score is no evidence against a short training: more epochs may keep it.

    Args:
        record: The study.
        goals: The goals of the optimization.
        full: Name -> full epochs, of the trainings that a round may shorten.
    """
    trials = [
        trial
        for trial in record.trials
        if trial.number > 0 and trial.repeat_of is None and trial.state not in ("running", "paused")
    ]
    base = record.baseline.measurements if record.baseline else {}
    valid = [t for t in trials if _keeps_constraints(t, record, base, is_short(t, full))]
    chances = _chances(valid, record)
    best = set(best_trials(valid, goals, base))
    return tuple(
        Evidence(
            trial.number,
            trial.params,
            chances.get(trial.number, 0.0),
            epochs_of(trial),
            trial.state == "infeasible" and not trial.violations,
            trial.number in best,
        )
        for trial in trials
    )


def best_trials(
    trials: Sequence[TrialRecord],
    goals: Sequence[Constraint],
    baseline: Mapping[str, Measurement],
) -> list[int]:
    """Returns the numbers of the trials nearest to the goals, the best first."""
    ordered = sorted(trials, key=lambda t: (-worst_margin(t, goals, baseline), t.number))
    return [trial.number for trial in ordered[:BEST]]


def epochs_of(trial: TrialRecord) -> int:
    """Returns the epochs of all trainings in a trial's plan."""
    return sum(_epochs(stage.get("params")) for stage in trial.plan)


def _epochs(value: Any) -> int:
    if not isinstance(value, Mapping):
        return 0
    epochs = value.get("epochs")
    below = sum(_epochs(child) for key, child in value.items() if key not in ("teacher", "epochs"))
    return below + (epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else 0)


def is_short(trial: TrialRecord, full: Mapping[str, int]) -> bool:
    """Returns whether a training of a trial had fewer epochs than the full number.

    Args:
        trial: The trial.
        full: Name, such as finetune.epochs -> full epochs.
    """
    longest = {STAGES.get(name.partition(".")[0]): epochs for name, epochs in full.items()}
    trained = {stage["kind"]: _epochs(stage.get("params")) for stage in trial.plan}
    return any(0 < trained.get(str(kind), 0) < epochs for kind, epochs in longest.items())


def _keeps_constraints(
    trial: TrialRecord, record: StudyRecord, baseline: Mapping[str, Measurement], short: bool
) -> bool:
    """Returns whether a trial is complete and breaks no constraint beyond noise.

    Args:
        trial: The trial.
        record: The study.
        baseline: Measurements of the baseline.
        short: Whether bounds on scores do not count.
    """
    if trial.state != "complete" or any(a.name not in trial.measurements for a in record.axes):
        return False
    units = {name: m.unit for name, m in trial.measurements.items()}
    scores = {axis.name for axis in record.axes if axis.is_score}
    for text, violation in trial.violations.items():
        if violation <= 0:
            continue
        constraint = read_constraint(text, units, record.targets)
        if short and constraint.quantity in scores:
            continue
        measured = trial.measurements[constraint.quantity]
        base = baseline[constraint.quantity].value if constraint.quantity in baseline else 0.0
        lucky = measured.low if constraint.upper else measured.high
        if constraint.violation(lucky, base) > 0:
            return False
    return True


def _chances(trials: Sequence[TrialRecord], record: StudyRecord) -> dict[int, float]:
    """Returns trial number -> chance to be on the front of the trials of at most its epochs."""
    if not trials:
        return {}
    # Unpaired, so that the noise is rather too large than too small.
    measured = [
        {axis.name: replace(t.measurements[axis.name], per_example=None) for axis in record.axes}
        for t in trials
    ]
    points = noisy_points(measured, record.axes)
    deviations = points.deviations.copy()
    for column, axis in enumerate(record.axes):
        if axis.is_score:
            values = [trial[axis.name] for trial in measured]
            shares = axis.unit == "fraction" or has_relative_noise(values)
            scale = 1.0 if shares else float(np.abs(points.means[:, column]).mean())
            deviations[:, column] = np.hypot(deviations[:, column], SEED_NOISE * scale)
    epochs = np.array([epochs_of(trial) for trial in trials])
    chances: dict[int, float] = {}
    for level in np.unique(epochs):
        rows = np.flatnonzero(epochs <= level)
        possible = non_dominated_chances(points.means[rows], deviations[rows])
        for row, chance in zip(rows.tolist(), possible.tolist(), strict=True):
            if epochs[row] == level:
                chances[trials[row].number] = chance
    return chances
