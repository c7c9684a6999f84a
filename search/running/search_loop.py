"""The loop of a worker that trains: takes over, resumes or proposes a trial, and runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.search.running.loop import Loop
from paretune.search.running.new_trials import NewTrials
from paretune.search.running.recovery import Task, take_over_trial
from paretune.search.running.seed_learning import SeedLearning
from paretune.search.running.seed_repeats import SeedRepeats
from paretune.search.running.stopping import Ending
from paretune.search.sampling.proposer import Exhausted
from paretune.search.study.role import Role

if TYPE_CHECKING:
    from paretune.search.running.learning import Learning
    from paretune.search.running.search_state import SearchState
    from paretune.search.running.trial_execution import TrialExecution

TRAINED = Ending("everything is trained; the workers that measure finish it", over=False)
"""The end of a worker that only trains, before the last trials are measured."""


class SearchLoop(Loop):
    """Searches until a stopping rule holds.

    Args:
        state: The search of this worker.
        learning: What it has learned from trials.
        execution: Runs the trials.
    """

    def __init__(self, state: SearchState, learning: Learning, execution: TrialExecution) -> None:
        super().__init__(state, learning, execution)
        self._new_trials = NewTrials(state, learning, execution)
        self._seeds = _seed_learning(state)

    def run(self) -> Ending:
        """Searches until a stopping rule holds; raises as `Loop.run` does."""
        self._begin()
        while True:
            self._begin_turn()
            self._state.turns.update()
            others, end = 0, None
            task = self._open_task()
            if task is None:
                others = self._others(self._learning.running)
                end = self._ending(others)
                if end is None or end.over:
                    task = self._task_to_resume()
            if task is not None:
                self._execution.execute(task)
                continue
            reached = self._run_new(others) if end is None else self._reached(end)
            if reached is not None:
                return reached

    def _open_task(self) -> Task | None:
        """Returns the trial of a dead worker, or the next format variant; None without either."""
        state = self._state
        task = take_over_trial(state.study, state.worker, self._learning.running)
        if task is None and state.role.measures:
            task = state.variants.begin_next(state.worker)
        return task

    def _task_to_resume(self) -> Task | None:
        """Returns a failed trial to try again, or a paused one that may go on; or None."""
        return self._state.failed.open_next(self._state.worker.id) or self._state.turns.next()

    def _reached(self, end: Ending) -> Ending | None:
        """Returns why the search ends; None if the end itself brings work, or other workers may."""
        if self._raced_elsewhere(end):
            self._wait()
            return None
        return None if self._has_more_variants(end) else end

    def _run_new(self, others: int) -> Ending | None:
        """Runs a new trial, or waits for other workers; returns why this worker may leave.

        Args:
            others: Number of trials that other workers run.
        """
        progress, limit = self._state.progress, self._state.spec.trials
        if others and limit is not None and progress.tried + others >= limit:
            return self._wait_or_leave()  # other workers run the last trials; one of them may die
        if self._seeds and self._seeds.step(self._state.growth.front, progress.done):
            return None
        try:
            task = self._new_trials.begin(others)
        except Exhausted:
            progress.exhausted = not others  # then the next turn ends the run
            return self._wait_or_leave() if others else None
        if task is not None:
            self._execution.execute(task)
        return None

    def _wait_or_leave(self) -> Ending | None:
        """Waits for other workers; returns the end of a worker that only trains, if all is trained.

        Trained trials may still wait for their measurements then.
        """
        if self._state.role is Role.TRAIN and not self._is_training_elsewhere():
            return TRAINED
        self._wait()
        return None

    def _is_training_elsewhere(self) -> bool:
        """Returns whether a trial is in training, here or elsewhere, or may be again."""
        trainers = self._state.worker.trainers()
        return any(row["worker"] in trainers for row in self._state.store.running())

    def _raced_elsewhere(self, end: Ending) -> bool:
        """Returns whether another worker runs a resumed trial; its end may resume more trials.

        Checked after no trial is left to resume here, so that one taken meanwhile counts.
        """
        is_race = end.over and self._state.study.race is not None
        return is_race and self._others(self._state.store.running()) > 0


def _seed_learning(state: SearchState) -> SeedLearning | None:
    """Returns what trains trials again in the middle of the search, if the study repeats."""
    if state.spec.repeats < 2 or state.role is not Role.ALL:
        return None
    repeats = SeedRepeats(state.study, state.report, state.seconds_left)
    return SeedLearning(state.study, repeats, state.proposer, state.earlier)
