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
from paretune.search.study.quantity import SUSTAINED, Quantity
from paretune.search.study.records import Axis, StudyRecord, TrialRecord

ONE_POINT = 0.01
"""One percentage point: what "within 1 point of the baseline" means."""

WORDS = {"ms": "fastest", "bytes": "smallest"}
"""Unit of a cost -> what its best trial is."""

LEAST = ("memory",)
"""Objectives for which the word of their unit says something else: the smallest has the least size.
"""

UNDER_LOAD = "fastest under load"
"""What the best trial in the sustained latency is."""

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

    Near is within a point; within 1 % for a score that is no fraction. A cost in which the
    baseline is better than all of them has no highlight.
    """
    trials = [trial for trial in record.front if trial.number != 0]
    if not trials:
        return []
    better = [h for axis, h in _least_costs(trials, record) if not _is_worse(record, h, axis)]
    return [_knee(trials, record.axes), *better]


def picks_of(record: StudyRecord) -> list[Highlight]:
    """Returns what a user may pick by a word: as `highlights_of`, of all costs."""
    trials = [trial for trial in record.front if trial.number != 0]
    if not trials:
        return []
    return [_knee(trials, record.axes), *(h for _, h in _least_costs(trials, record))]


def _least_costs(
    trials: Sequence[TrialRecord], record: StudyRecord
) -> list[tuple[Axis, Highlight]]:
    """Returns the best trial in each cost near the baseline's score."""
    as_accurate, score = near_baseline(trials, record), score_axis(record.axes)
    if score is None or not as_accurate:
        return []
    costs = [axis for axis in record.axes if axis.better == "lower" and axis != score]
    texts = [f"{word} {near_text(score)}" for word in _words(costs)]
    return [
        (axis, _least(as_accurate, axis, text)) for axis, text in zip(costs, texts, strict=True)
    ]


def _words(costs: Sequence[Axis]) -> list[str]:
    """Returns the word for the best trial in each cost; no two have the same.

    A study may have several costs in milliseconds or in bytes on one target. Latency and size get
    the short word first.
    """
    words: dict[str, str] = {}
    quantities = [Quantity.of(axis.name) for axis in costs]
    units = {axis.name: axis.unit for axis in costs}
    for quantity in sorted(quantities, key=lambda q: q.local not in ("latency", "size")):
        target = f" on {quantity.target}" if quantity.target else ""
        word = None if quantity.objective in LEAST else WORDS.get(units[quantity.name])
        word = UNDER_LOAD if quantity.local == SUSTAINED else word
        short = f"{word}{target}" if word else ""
        taken = not short or short in words.values()
        words[quantity.name] = f"least {quantity.local}{target}" if taken else short
    return [words[quantity.name] for quantity in quantities]


def _is_worse(record: StudyRecord, highlight: Highlight, axis: Axis) -> bool:
    """Returns whether the baseline is better in a cost than its best trial, beyond noise."""
    assert record.baseline is not None, "the trials are near it"
    trial = next(t for t in record.front if t.number == highlight.trial)
    base, best = (each.measurements[axis.name] for each in (record.baseline, trial))
    return best.value > base.value and differ(base, best)


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
