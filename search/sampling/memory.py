"""Which trials a sampler should go on learning from when there are many.

TPE's time per proposal grows with the number of trials it sees (about 30 ms at 100 and 300 ms at
1,000 with three objectives). Its model is a density of the good trials against one of the others:
the best ones and the latest ones carry it, so the rest may be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from paretune.search.front.pareto import non_dominated

MEMORY = 120
"""Trials kept: half the best by non-dominated rank, half the latest."""


def trials_to_keep(
    trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
) -> list[FrozenTrial]:
    """MEMORY of the finished trials, in their old order."""
    finished = [t for t in trials if t.state.is_finished() and t.state != TrialState.FAIL]
    latest = finished[-MEMORY // 2 :]
    older = finished[: -MEMORY // 2]
    ranked = [t for t in older if t.state == TrialState.COMPLETE and _feasible(t)]
    keep = {id(t) for t in latest} | {id(t) for t in _best(ranked, directions, MEMORY // 2)}
    return [t for t in finished if id(t) in keep]


def _best(
    trials: list[FrozenTrial], directions: Sequence[StudyDirection], wanted: int
) -> list[FrozenTrial]:
    """Front after front until there are enough; the last front is cut at its latest members."""
    signs = np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions])
    chosen: list[FrozenTrial] = []
    while trials and len(chosen) < wanted:
        on_front = non_dominated(np.array([t.values for t in trials]) * signs)
        front = [t for t, on in zip(trials, on_front, strict=True) if on]
        trials = [t for t, on in zip(trials, on_front, strict=True) if not on]
        chosen += front[-(wanted - len(chosen)) :]
    return chosen


def _feasible(trial: FrozenTrial) -> bool:
    return all(value <= 0 for value in trial.constraints.values())
