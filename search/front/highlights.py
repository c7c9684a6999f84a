"""Claims: which trial is the knee, which the fastest within a point, and which are as good. Pure.

Nothing is claimed for one trial alone that is as true of another by what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.final_front import compared_measurements
from paretune.search.front.probabilities import Z95, differ, knee_chances
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis, StudyRecord, TrialRecord

WITHIN = 0.01
"""One percentage point: what "within 1 point of the baseline" means."""

HALF = 0.5
"""So many times as probable as the most probable knee: as good a candidate."""


@dataclass(frozen=True)
class Highlight:
    """What speaks for a trial.

    Attributes:
        trial: Its number.
        text: "knee", "fastest within 1 point", ...
        like: Other trials that may as well be, by the noise.
    """

    trial: int
    text: str
    like: tuple[int, ...] = ()


def highlights_of(record: StudyRecord) -> list[Highlight]:
    """The knee of the front, and the best in each cost within a point of the baseline."""
    trials = [trial for trial in record.front if trial.number != 0]
    if not trials:
        return []
    found = [_knee(trials, record.axes)]
    near = near_baseline(trials, record)
    for axis in record.axes:
        if axis.better == "lower" and near:
            quantity = Quantity.of(axis.name)
            word = {"ms": "fastest", "bytes": "smallest"}.get(axis.unit, f"least {quantity.local}")
            word += f" on {quantity.target}" if quantity.target else ""
            found.append(_least(near, axis, f"{word} within 1 point"))
    return found


def highlight_texts(record: StudyRecord) -> dict[int, tuple[str, ...]]:
    """Trial -> the texts of what is claimed for it."""
    found: dict[int, list[str]] = {}
    for claim in highlights_of(record):
        found.setdefault(claim.trial, []).append(claim.text)
    return {number: tuple(marks) for number, marks in found.items()}


def near_baseline(trials: Sequence[TrialRecord], record: StudyRecord) -> list[TrialRecord]:
    """Those that lose at most a point of the first fraction objective, on every part measured."""
    fraction = next((a for a in record.axes if a.unit == "fraction" and a.better == "higher"), None)
    base = record.baseline
    if base is None or fraction is None:
        return []
    name = fraction.name

    def near(own: Mapping[str, Measurement], its: Mapping[str, Measurement]) -> bool:
        if name not in own or name not in its:
            return True
        return own[name].value >= its[name].value - WITHIN - 1e-9

    return [
        t for t in trials if near(t.measurements, base.measurements) and near(t.test, base.test)
    ]


def tied_groups(
    trials: Sequence[TrialRecord], record: StudyRecord
) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Objective -> groups of trials; the others of a group do not differ from its first, the best.

    By the final numbers, on the test part where all trials have it. Exact objectives are left out.
    """
    numbers = dict(
        zip([t.number for t in trials], compared_measurements(trials, record), strict=True)
    )
    found = {}
    for axis in record.axes:
        measured = {number: by_name[axis.name] for number, by_name in numbers.items()}
        if all(m.low == m.high for m in measured.values()):
            continue
        groups = [group for group in _groups(measured, axis) if len(group) > 1]
        if groups:
            found[axis.name] = tuple(groups)
    return found


def _groups(measured: Mapping[int, Measurement], axis: Axis) -> list[tuple[int, ...]]:
    """Best first; each group is led by the best that no earlier one has."""
    sign = 1 if axis.better == "lower" else -1
    left = sorted(measured, key=lambda number: sign * measured[number].value)
    groups = []
    while left:
        first = left[0]
        group = [n for n in left if n == first or not differ(measured[first], measured[n])]
        groups.append(tuple(group))
        left = [number for number in left if number not in group]
    return groups


def _knee(trials: Sequence[TrialRecord], axes: Sequence[Axis]) -> Highlight:
    signs = np.array([1.0 if axis.better == "lower" else -1.0 for axis in axes])
    measured = [[trial.measurements[axis.name] for axis in axes] for trial in trials]
    values = signs * np.array([[m.value for m in row] for row in measured])
    deviations = np.array([[(m.high - m.low) / (2 * Z95) for m in row] for row in measured])
    chances = knee_chances(values, deviations)
    best = int(chances.argmax())
    like = [i for i in np.argsort(-chances) if i != best and chances[i] >= HALF * chances[best]]
    return Highlight(trials[best].number, "knee", tuple(trials[i].number for i in like))


def _least(trials: Sequence[TrialRecord], axis: Axis, text: str) -> Highlight:
    best = min(trials, key=lambda trial: trial.values[axis.name])
    own = best.measurements[axis.name]
    like = [
        trial.number
        for trial in sorted(trials, key=lambda trial: trial.values[axis.name])
        if trial is not best and not differ(own, trial.measurements[axis.name])
    ]
    return Highlight(best.number, text, tuple(like))
