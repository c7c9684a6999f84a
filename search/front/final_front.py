"""The final front: the front by the measurements of the final session. Pure.

The search chose the front by its own measurements, so these flatter its members: the best of many
were lucky, too. At the end of a run the members are measured again (`running.final_session`):
times all in one session, and accuracy on the test part. The new measurements chose nothing, so they
are used unchanged. If a trial has none, the measurements of the search are used, and shrunk towards
the middle first (`probabilities.shrink`).

The final times and the accuracy on the validation part decide which trials are on the front. No
choice uses the test part; only the chance to be on the front is computed from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.noisy_points import NoisyPoints, noisy_points
from paretune.search.front.pareto import Array, non_dominated, to_losses
from paretune.search.front.probabilities import contenders, non_dominated_chances, shrink
from paretune.search.front.same_network import same_network_numbers
from paretune.search.front.seed_means import decided_trials, search_members, with_seed_means
from paretune.search.study.records import StudyRecord, TrialRecord

NEAR_FRONT = 0.05
"""A trial outside the front is measured again if its front probability is at least this."""

MOST_NEAR = 100
"""Most trials whose accuracies are paired because they are near the front."""

EXTRA = 8
"""Most trials outside the front that are measured again."""


def remeasured_trials(record: StudyRecord) -> tuple[TrialRecord, ...]:
    """Returns the trials of the last final session; without one, the trials with test data."""
    timed = tuple(trial for trial in record.trials if trial.final)
    return timed or tuple(trial for trial in record.trials if trial.test)


def with_final_front(record: StudyRecord) -> StudyRecord:
    """Returns the record with the final measurements and the front by them.

    The front then consists of trials that were measured again. If some members of the front were
    not, as after new trials, the record stays as it is. The same holds for trials that were trained
    again with other seeds, which have their means (`seed_means`).
    """
    if record.final_members is not None:
        return record
    record = with_seed_means(record)
    pool = final_pool(record)
    if pool is None:
        return record
    remeasured = remeasured_trials(record)
    base = record.baseline
    reference = {**base.measurements, **base.final} if base else {}
    is_covered = record.members <= {trial.number for trial in remeasured}
    timed = [trial for trial in remeasured if trial.final and is_covered]
    final = {trial.number: _with_final(trial, record, reference) for trial in timed}
    trials = tuple(final.get(trial.number, trial) for trial in record.trials)
    feasible = [trial for trial in trials if trial.number in pool and trial.feasible]
    losses = [to_losses(trial.values, record.axes, None, None)[0] for trial in feasible]
    on_front = non_dominated(np.array(losses)) if feasible else ()
    members = frozenset(t.number for t, on in zip(feasible, on_front, strict=True) if on)
    return replace(record, trials=trials, final_members=members)


def final_pool(record: StudyRecord) -> frozenset[int] | None:
    """Returns the trials among which the final front is chosen; None if there is none yet.

    They were measured again in one session, and trained again if the study asks for that.
    """
    members = search_members(record)
    numbers = frozenset(trial.number for trial in remeasured_trials(record))
    decided = decided_trials(record)
    if not members:
        return None
    if members <= numbers:
        return numbers if decided is None else numbers & decided
    return decided


def _with_final(
    trial: TrialRecord, record: StudyRecord, baseline: Mapping[str, Measurement]
) -> TrialRecord:
    """Returns the trial with final values, and with the violations that follow from them."""
    from paretune.search.study.constraints import read_constraint  # most studies do not need it

    measured = {**trial.measurements, **trial.final}
    values = {name: measured[name].value for name in trial.values}
    units = {name: m.unit for name, m in measured.items()}
    violations = dict(trial.violations)
    for text in violations:
        constraint = read_constraint(text, units, record.targets)
        quantity = constraint.quantity
        if quantity in trial.final:
            base = baseline[quantity].value if constraint.bound.relative else 0.0
            violations[text] = constraint.violation(measured[quantity].value, base)
    searched = {name: m for name, m in trial.measurements.items() if name in trial.final}
    return replace(
        trial, values=values, measurements=measured, violations=violations, searched=searched
    )


def compared_measurements(
    trials: Sequence[TrialRecord], record: StudyRecord
) -> list[Mapping[str, Measurement]]:
    """Returns for each trial the measurements to compare it by, by objective.

    They are those on the test part if all trials have one of this objective.
    """
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
    """Returns whether an objective of a feasible trial has an interval."""
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
    """Returns trial number -> probability to be on the front, for each feasible trial.

    In a record with a final front, trials that were measured again are compared with each other.
    """
    chances = _search_chances(record) if record.chances is None else dict(record.chances)
    pool = final_pool(record) if record.final_members is not None else None
    if pool:
        feasible = [trial for trial in record.trials if trial.number in pool and trial.feasible]
        compared = compared_measurements(feasible, record)
        means, deviations, paired = noisy_points(compared, record.axes)
        final = non_dominated_chances(means, deviations, paired=paired)
        chances |= dict(zip([trial.number for trial in feasible], final.tolist(), strict=True))
    return chances


def _search_chances(record: StudyRecord) -> dict[int, float]:
    """Returns the chances by the measurements of the search."""
    numbers, (means, deviations, paired) = _searched_points(record)
    chances = non_dominated_chances(shrink(means, deviations), deviations, paired=paired)
    return dict(zip(numbers.tolist(), chances.tolist(), strict=True))


def near_front(record: StudyRecord) -> frozenset[int]:
    """Returns the numbers of at most MOST_NEAR trials that may be on the front, within noise."""
    numbers, points = _searched_points(record)
    return frozenset(numbers[contenders(points, MOST_NEAR)].tolist())


def _searched_points(record: StudyRecord) -> tuple[Array, NoisyPoints]:
    """Returns the numbers of the feasible trials, in order, and their values in the search."""
    trials = [t for t in record.trials if t.feasible and t.repeat_of is None]
    others = record.other_intervals
    numbers = np.array([trial.number for trial in trials], dtype=int)
    if others is not None:
        numbers = np.concatenate([numbers, others.numbers])
    order = np.argsort(numbers)
    points = noisy_points([t.measurements for t in trials], record.axes, others)
    return numbers[order], points.select(order)


def trials_to_remeasure(
    record: StudyRecord, chances: Mapping[int, float] | None = None
) -> tuple[int, ...]:
    """Returns the trials to measure again: baseline, front, and trials within noise of the front.

    Those of the baseline's own network are among them (`same_network`).

    Args:
        record: The study.
        chances: From `front_chances`; None computes them.
    """
    chances = front_chances(record) if chances is None else chances
    near_front = [n for n, p in chances.items() if p >= NEAR_FRONT and n not in record.members]
    near_front.sort(key=lambda number: -chances[number])
    numbers = {*record.members, *near_front[:EXTRA]}
    if record.members:
        numbers |= same_network_numbers(record)
    return tuple(sorted(numbers | ({0} if record.baseline else set())))
