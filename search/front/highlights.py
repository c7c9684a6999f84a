"""Highlights of a front: its knee, and the best trial in each cost near the baseline. Pure.

A highlight also names the trials that may have the property, within noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.differences import differ
from paretune.search.front.final_front import compared_measurements
from paretune.search.front.noisy_points import Z95
from paretune.search.front.paired_errors import paired_errors
from paretune.search.front.probabilities import knee_chances
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis, StudyRecord, TrialRecord

ONE_POINT = 0.01
"""One percentage point: what "within 1 point of the baseline" means."""

TIE = 0.5
"""A trial ties with the likeliest knee if it is at least this share as likely to be the knee."""


@dataclass(frozen=True)
class Highlight:
    """A property for which a trial of the front stands out.

    Attributes:
        trial: Trial number.
        text: "knee", "fastest within 1 point", ...
        ties: Other trials that may have the property, within noise.
    """

    trial: int
    text: str
    ties: tuple[int, ...] = ()


def highlights_of(record: StudyRecord) -> list[Highlight]:
    """Returns the knee of the front, and the best trial in each cost near the baseline's score.

    Near is within a point; within 1 % for a score that is no fraction.
    """
    trials = [trial for trial in record.front if trial.number != 0]
    if not trials:
        return []
    highlights = [_knee(trials, record.axes)]
    as_accurate = near_baseline(trials, record)
    score = score_axis(record.axes)
    for axis in record.axes:
        if axis.better == "lower" and as_accurate and score and axis != score:
            quantity = Quantity.of(axis.name)
            word = {"ms": "fastest", "bytes": "smallest"}.get(axis.unit, f"least {quantity.local}")
            word += f" on {quantity.target}" if quantity.target else ""
            highlights.append(_least(as_accurate, axis, f"{word} {near_text(score)}"))
    return highlights


def highlight_texts(record: StudyRecord) -> dict[int, tuple[str, ...]]:
    """Returns the texts of the highlights, by trial number."""
    texts: dict[int, list[str]] = {}
    for highlight in highlights_of(record):
        texts.setdefault(highlight.trial, []).append(highlight.text)
    return {number: tuple(of_trial) for number, of_trial in texts.items()}


def near_baseline(trials: Sequence[TrialRecord], record: StudyRecord) -> list[TrialRecord]:
    """Returns the trials that lose at most a point, or 1 %, of the study's first score.

    The validation part decides. If the test part did, its scores would flatter the trials that it
    chose.
    """
    score, base = score_axis(record.axes), record.baseline
    if base is None or score is None:
        return []
    value = base.measurements[score.name].value
    most = ONE_POINT * (1.0 if score.unit == "fraction" else abs(value)) + 1e-9
    sign = 1.0 if score.better == "higher" else -1.0
    return [t for t in trials if sign * (value - t.measurements[score.name].value) <= most]


def score_axis(axes: Sequence[Axis]) -> Axis | None:
    """Returns the first score of the task, or fraction that is better higher; None without one."""
    return next(
        (a for a in axes if a.scored or (a.unit == "fraction" and a.better == "higher")), None
    )


def near_text(score: Axis) -> str:
    """Returns `within 1 point`, or `within 1 %` of a score that is no fraction."""
    return "within 1 point" if score.unit == "fraction" else "within 1 %"


def tied_groups(
    trials: Sequence[TrialRecord], record: StudyRecord
) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Returns groups of trials that are equal in an objective within noise, by objective.

    The first trial of a group is its best; the others do not differ from it. Exact objectives are
    left out. Trials are compared by `final_front.compared_measurements`.
    """
    compared = dict(
        zip([t.number for t in trials], compared_measurements(trials, record), strict=True)
    )
    tied = {}
    for axis in record.axes:
        measured = {number: by_name[axis.name] for number, by_name in compared.items()}
        if all(m.low == m.high for m in measured.values()):
            continue
        groups = [group for group in _groups(measured, axis) if len(group) > 1]
        if groups:
            tied[axis.name] = tuple(groups)
    return tied


def _groups(measured: Mapping[int, Measurement], axis: Axis) -> list[tuple[int, ...]]:
    """Returns all groups, best first; the first of each is the best that no earlier group has."""
    sign = 1 if axis.better == "lower" else -1
    remaining = sorted(measured, key=lambda number: sign * measured[number].value)
    groups = []
    while remaining:
        first = remaining[0]
        group = [n for n in remaining if n == first or not differ(measured[first], measured[n])]
        groups.append(tuple(group))
        remaining = [number for number in remaining if number not in group]
    return groups


def _knee(trials: Sequence[TrialRecord], axes: Sequence[Axis]) -> Highlight:
    signs = np.array([1.0 if axis.better == "lower" else -1.0 for axis in axes])
    measured = [[trial.measurements[axis.name] for axis in axes] for trial in trials]
    values = signs * np.array([[m.value for m in row] for row in measured])
    deviations = np.array([[(m.high - m.low) / (2 * Z95) for m in row] for row in measured])
    columns = (paired_errors([row[column] for row in measured]) for column in range(len(axes)))
    paired = {column: errors for column, errors in enumerate(columns) if errors is not None}
    chances = knee_chances(values, deviations, paired=paired)
    best = int(chances.argmax())
    ties = [i for i in np.argsort(-chances) if i != best and chances[i] >= TIE * chances[best]]
    return Highlight(trials[best].number, "knee", tuple(trials[i].number for i in ties))


def _least(trials: Sequence[TrialRecord], axis: Axis, text: str) -> Highlight:
    ordered = sorted(trials, key=lambda trial: trial.values[axis.name])
    best = ordered[0].measurements[axis.name]
    ties = [t.number for t in ordered[1:] if not differ(best, t.measurements[axis.name])]
    return Highlight(ordered[0].number, text, tuple(ties))
