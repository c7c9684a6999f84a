"""The front of the trials that meet conditions. Pure.

It is the front of these trials alone, not a part of the study's front: a trial that only others
beyond a condition dominate is on it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paretune.search.front.conditions import Conditions
from paretune.search.front.final_front import final_pool, with_final_front
from paretune.search.front.pareto import non_dominated, to_losses
from paretune.search.study.records import FrontPoint, StudyRecord


def restricted_front(record: StudyRecord, conditions: Conditions) -> StudyRecord:
    """Returns the study with the trials that meet the conditions, and their front.

    The measurements of the final session count if all members of this front have some. Else those
    of the search count, for all trials: they were made under equal conditions.

    Args:
        record: All trials of the study, with the measurements of the search.
        conditions: The conditions. A complete baseline stays as trial 0 if it breaks them, but is
            not on the front then.
    """
    final = with_final_front(record)
    if final.final_members is not None:
        restricted = _restricted(final, conditions)
        if restricted.members <= (final_pool(record) or set()):
            return replace(restricted, final_members=restricted.members)
    return _restricted(record, conditions)


def _restricted(record: StudyRecord, conditions: Conditions) -> StudyRecord:
    conditions = replace(conditions, record=record)
    kept = [trial for trial in record.trials if trial.feasible and conditions.hold(trial)]
    losses = [to_losses(trial.values, record.axes, None, None)[0] for trial in kept]
    on_front = non_dominated(np.array(losses)) if kept else ()
    members = [trial.number for trial, on in zip(kept, on_front, strict=True) if on]
    has_baseline = any(trial.number == 0 for trial in kept)
    base = [record.baseline] if record.baseline and not has_baseline else []
    last = record.growth[-1] if record.growth else FrontPoint(0, 0.0, None, ())
    return replace(
        record,
        trials=(*base, *kept),
        growth=(replace(last, hypervolume=None, members=tuple(members)),),
        final_members=None,
        chances=None,
        other_intervals=None,
        counted=(record.trial_count, record.stopped),
    )
