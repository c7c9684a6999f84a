"""The trial of the baseline, which one of the workers runs before all others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from paretune.search.running.recovery import NO_PROPOSAL, Task, take_over_trial
from paretune.search.study.role import Role
from paretune.search.trial.events import Notice

if TYPE_CHECKING:
    from paretune.search.running.search_state import SearchState
    from paretune.search.running.trial_execution import TrialExecution
    from paretune.search.study.plan import Plan
    from paretune.search.study.records import TrialRecord

PATIENCE = 0.5
"""Seconds between two looks at the baseline of another worker."""

WAITS_FOR_BASELINE = {
    Role.ALL: "another worker measures the baseline; waiting for it",
    Role.TRAIN: "waiting for a worker that measures the baseline: paretune worker --only measure",
    Role.MEASURE: "waiting for a worker that trains the baseline: paretune worker --only train",
}
"""Role of this worker -> what it says while the baseline is not measured."""


def measured_baseline(state: SearchState, execution: TrialExecution, plan: Plan) -> TrialRecord:
    """Returns trial 0, measured by this worker or another one.

    Args:
        state: The search of this worker.
        execution: Runs the trial if no other worker does.
        plan: The plan of the baseline.

    Raises:
        UserError: The baseline cannot be built or measured.
    """
    waiting = False
    while True:
        baseline = state.store.trial(0)
        if baseline is not None and baseline.state == "complete":
            return baseline
        task = (
            _new_baseline(state, plan)
            if baseline is None and state.role.trains
            else take_over_trial(state.study, state.worker, state.store.running())
        )
        if task is not None:
            execution.execute(task)
            continue
        if not waiting:
            state.report(Notice(WAITS_FOR_BASELINE[state.role]))
        waiting = True
        state.study.control.between_stages()
        time.sleep(PATIENCE)


def _new_baseline(state: SearchState, plan: Plan) -> Task | None:
    """Begins trial 0; returns None if another worker was first."""
    try:
        started = state.store.begin(0, state.worker.id, plan, {}, NO_PROPOSAL)
    except IntegrityError:  # another worker began it at the same moment
        return None
    task = Task(0, plan, {}, NO_PROPOSAL, started)
    state.study.mirror.put(task.mirrored())
    return task
