"""Settling: the front by the final numbers, who may be on it, and how probable that is. Pure.

What the search measured chose the front, so it flatters its members: the best of many were lucky
too. At the end of a run they are measured again (`running.final_session`): times all in one session, and
accuracy on the test part. Those numbers took no part in any choice and are used as they are. Where
there are none, the search's are drawn towards the middle first (`noise.shrunk`).

Who is on the front goes by the final times and by accuracy on the validation part, so that the test
part stays one that nothing was chosen by. The probability goes by the test part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.pareto import non_dominated, to_losses
from paretune.search.front.probabilities import non_dominated_chances, normals, shrunk
from paretune.search.study.records import StudyRecord, TrialRecord

NEAR = 0.05
"""Probability to be on the front from which on a trial beside it is measured again, too."""

EXTRA = 8
"""The most trials beside the front that are."""


def remeasured_trials(record: StudyRecord) -> tuple[TrialRecord, ...]:
    """The trials that were measured again: the last session's, or on test data where none was."""
    timed = tuple(trial for trial in record.trials if trial.final)
    return timed or tuple(trial for trial in record.trials if trial.test)


def with_final_front(record: StudyRecord) -> StudyRecord:
    """The record with the final numbers in place of the search's, and the front by them.

    The front is then of those measured again. Where the final numbers do not cover the front, as
    after new trials, the search's numbers stand.
    """
    finalists = remeasured_trials(record)
    numbers = {trial.number for trial in finalists}
    if record.final_members is not None or not record.members or not record.members <= numbers:
        return record
    base = record.baseline
    against = {**base.measurements, **base.final} if base else {}
    changed = {trial.number: _final(trial, record, against) for trial in finalists if trial.final}
    trials = tuple(changed.get(trial.number, trial) for trial in record.trials)
    able = [trial for trial in trials if trial.number in numbers and trial.feasible]
    losses = [to_losses(trial.values, record.axes, None, None)[0] for trial in able]
    keep = non_dominated(np.array(losses)) if able else ()
    members = frozenset(t.number for t, kept in zip(able, keep, strict=True) if kept)
    return replace(record, trials=trials, final_members=members)


def _final(
    trial: TrialRecord, record: StudyRecord, against: Mapping[str, Measurement]
) -> TrialRecord:
    from paretune.search.study.constraints import read_constraint  # few studies come here

    measured = {**trial.measurements, **trial.final}
    values = {name: measured[name].value for name in trial.values}
    units = {name: m.unit for name, m in measured.items()}
    violations = dict(trial.violations)
    for text in violations:
        limit = read_constraint(text, units, record.targets)
        if limit.quantity in trial.final:
            reference = against[limit.quantity].value if limit.bound.relative else 0.0
            violations[text] = limit.violation(measured[limit.quantity].value, reference)
    searched = {name: m for name, m in trial.measurements.items() if name in trial.final}
    return replace(
        trial, values=values, measurements=measured, violations=violations, searched=searched
    )


def compared_measurements(
    trials: Sequence[TrialRecord], record: StudyRecord
) -> list[Mapping[str, Measurement]]:
    """The measurements to compare trials by: on the test part where all of them have it."""
    on_test = {
        axis.name for axis in record.axes if all(axis.name in trial.test for trial in trials)
    }
    return [
        {
            axis.name: (trial.test if axis.name in on_test else trial.measurements)[axis.name]
            for axis in record.axes
        }
        for trial in trials
    ]


def is_uncertain(record: StudyRecord) -> bool:
    """Whether an objective of a feasible trial has an interval."""
    if record.other_intervals is not None or record.chances is not None:
        return True
    return any(
        m.low < m.high
        for trial in record.trials
        if trial.feasible
        for m in (trial.measurements.get(axis.name) for axis in record.axes)
        if m is not None
    )


def front_chances(record: StudyRecord) -> dict[int, float]:
    """Trial -> probability to be on the front, of all that are feasible.

    Of a settled record those measured again are compared with each other.
    """
    found = _searched(record) if record.chances is None else dict(record.chances)
    if record.final_members is not None:
        able = [trial for trial in remeasured_trials(record) if trial.feasible]
        chances = non_dominated_chances(*normals(compared_measurements(able, record), record.axes))
        found |= dict(zip([trial.number for trial in able], chances.tolist(), strict=True))
    return found


def _searched(record: StudyRecord) -> dict[int, float]:
    """By the search's numbers."""
    trials = [t for t in record.trials if t.feasible and t.repeat_of is None]
    numbers = np.array([trial.number for trial in trials], dtype=int)
    if record.other_intervals is not None:
        numbers = np.concatenate([numbers, record.other_intervals.numbers])
    order = np.argsort(numbers)
    measured = normals([t.measurements for t in trials], record.axes, record.other_intervals)
    middles, deviations = (column[order] for column in measured)
    chances = non_dominated_chances(shrunk(middles, deviations), deviations)
    return dict(zip(numbers[order].tolist(), chances.tolist(), strict=True))


def trials_to_remeasure(
    record: StudyRecord, chances: Mapping[int, float] | None = None
) -> tuple[int, ...]:
    """Who is to be measured again: the baseline, the front, and who is within noise of it.

    Args:
        record: The study.
        chances: Of it, from `chances_of`, where they are known.
    """
    chances = front_chances(record) if chances is None else chances
    near = [n for n, p in chances.items() if p >= NEAR and n not in record.members]
    near.sort(key=lambda number: -chances[number])
    wanted = {*record.members, *near[:EXTRA]}
    return tuple(sorted(wanted | ({0} if record.baseline else set())))
