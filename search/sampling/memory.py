"""Selects the trials from which TPE learns if there are many.

TPE's time for a proposal grows with the number of its trials: about 30 ms at 100 trials and 300 ms
at 1,000, with three objectives. TPE compares the density of good trials with that of the others.
The best trials and the latest ones determine both, so the rest may be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from paretune.search.front.pareto import non_dominated

MEMORY = 120
"""Trials that are kept: half of them the best by non-dominated rank, half the latest."""


def trials_to_keep(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
) -> list[FrozenTrial]:
    """Returns MEMORY of the finished trials, in their order."""
    finished = [t for t in trials if t.state.is_finished() and t.state != TrialState.FAIL]
    latest = finished[-MEMORY // 2 :]
    older = finished[: -MEMORY // 2]
    feasible = [t for t in older if t.state == TrialState.COMPLETE and _is_feasible(t)]
    keep = {id(t) for t in latest} | {id(t) for t in _best(feasible, directions, MEMORY // 2)}
    return [t for t in finished if id(t) in keep]


def _best(
    trials: list[FrozenTrial], directions: Sequence[StudyDirection], count: int
) -> list[FrozenTrial]:
    """Returns `count` trials, front after front; of the last front the latest members."""
    signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions])
    best: list[FrozenTrial] = []
    while trials and len(best) < count:
        on_front = non_dominated(np.array([t.values for t in trials]) * signs)
        front = [t for t, on in zip(trials, on_front, strict=True) if on]
        trials = [t for t, on in zip(trials, on_front, strict=True) if not on]
        best += front[-(count - len(best)) :]
    return best


def _is_feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())
