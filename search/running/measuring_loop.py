"""The loop of a worker that only measures what other workers have trained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from paretune.search.running.loop import Loop
from paretune.search.running.recovery import take_over_trial
from paretune.search.running.stopping import Ending
from paretune.search.trial.events import Notice

if TYPE_CHECKING:
    from paretune.search.running.learning import Learning
    from paretune.search.running.search_state import SearchState
    from paretune.search.running.trial_execution import TrialExecution

TRAINERS_COME = 600.0
"""Seconds that a worker that only measures waits for the first one that trains, after the last run
has ended: both may be started at the same moment."""

WAITS_FOR_TRAINERS = (
    "nothing waits for a measurement; waiting up to {seconds:g} s for a worker that trains: "
    "paretune worker --only train"
)


class MeasuringLoop(Loop):
    """Measures trained trials until the workers that train have left and nothing waits.

    Args:
        state: The search of this worker.
        learning: What it has learned from trials.
        execution: Runs the trials.
    """

    def __init__(self, state: SearchState, learning: Learning, execution: TrialExecution) -> None:
        super().__init__(state, learning, execution)
        self._has_seen_trainers = False  # or what they have trained
        self._idle_since: float | None = None  # since when no worker trains

    def run(self) -> Ending:
        """Measures until nothing is left to measure; raises as `Loop.run` does."""
        state = self._state
        self._begin()
        while True:
            self._begin_turn()
            task = take_over_trial(state.study, state.worker, self._learning.running)
            task = task or state.variants.begin_next(state.worker)
            if task is not None:
                self._has_seen_trainers = True
                self._execution.execute(task)
                continue
            end = self._measured_all()
            if end is not None and not self._has_more_variants(end):
                return end
            self._wait()

    def _measured_all(self) -> Ending | None:
        """Returns why a worker that only measures may leave; None while others train."""
        if self._state.worker.trainers() or self._others(self._learning.running):
            self._has_seen_trainers = True
            return None
        end = self._ending(others=0)
        if end is not None:
            return end
        stored = self._state.store.study()
        reason = stored["end_reason"] if stored else None
        if reason is None:  # a run has begun, and its workers may be started again
            self._has_seen_trainers = True
            return None
        if not self._has_seen_trainers and self._awaits_trainers():
            return None
        return Ending(reason, over=False, again=True)

    def _awaits_trainers(self) -> bool:
        """Returns whether to wait for the first worker that trains; says so once."""
        if self._idle_since is None:
            self._idle_since = time.monotonic()
            self._state.report(Notice(WAITS_FOR_TRAINERS.format(seconds=TRAINERS_COME)))
        return time.monotonic() - self._idle_since < TRAINERS_COME
