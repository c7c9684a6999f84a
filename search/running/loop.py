"""What the loops of all workers share: what begins and what ends a turn."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.search.interruption import stop_if_interrupted
from paretune.search.running.stopping import Ending, ending
from paretune.search.study.role import Role

if TYPE_CHECKING:
    from paretune.search.database.store import Row
    from paretune.search.running.learning import Learning
    from paretune.search.running.search_state import SearchState
    from paretune.search.running.trial_execution import TrialExecution

PATIENCE = 0.5
"""Seconds between two checks on other workers."""


class Loop(ABC):
    """Runs the trials of one worker, one a turn.

    Args:
        state: The search of this worker.
        learning: What it has learned from trials.
        execution: Runs the trials.
    """

    def __init__(self, state: SearchState, learning: Learning, execution: TrialExecution) -> None:
        self._state = state
        self._learning = learning
        self._execution = execution

    @abstractmethod
    def run(self) -> Ending:
        """Runs trials until a stopping rule holds.

        Raises:
            NewerVersion: The study has a newer version.
            StopRequested: The user wants to stop.
            UserError: The study cannot be run.
        """

    def _begin(self) -> None:
        """Learns from the trials of earlier runs."""
        last = self._learning.learn()
        if last is not None:  # a killed run may have left format variants untried
            self._state.variants.trial_ended(*last)

    def _begin_turn(self) -> None:
        """Looks for what the user asks, and learns from the trials of other workers."""
        state = self._state
        stop_if_interrupted()
        state.loaded.look()
        state.look_for_newer_version()
        state.study.control.between_stages()
        state.progress.held = state.study.control.held
        self._learning.learn()

    def _ending(self, others: int) -> Ending | None:
        """Returns why the search ends now, or None if it goes on.

        Args:
            others: Number of trials that other workers run.
        """
        state = self._state
        state.progress.front = state.growth.front
        done = not others and state.plans.all_begun()
        state.progress.plans = state.plans.total(math.inf) if done else None
        return ending(state.spec, state.progress, state.reference)

    def _has_more_variants(self, end: Ending) -> bool:
        """Returns whether the end of the search brings format variants for this worker."""
        if not end.ok or not self._state.role.measures:
            return False
        return self._state.variants.search_ended(self._state.growth.front)

    def _others(self, running: Sequence[Row]) -> int:
        """Returns how many of the running trials belong to other living workers."""
        worker = self._state.worker
        others = [row for row in running if row["worker"] != worker.id]
        if not others:
            return 0
        living: set[str | None] = {*worker.living_among(row["worker"] for row in others)}
        if worker.role is Role.TRAIN:  # trained trials wait for others; a dead one is trained here
            living.add(None)
        return sum(row["worker"] in living for row in others)

    def _wait(self) -> None:
        """Waits for other workers."""
        self._state.study.mirror.flush()
        time.sleep(PATIENCE)
