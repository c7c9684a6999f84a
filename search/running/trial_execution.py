"""Runs one trial: reports, evaluates and stores it, and tells the sampler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.search.front.changes import within_noise
from paretune.search.sampling.proposer import Outcome
from paretune.search.study.records import Result, Trained
from paretune.search.trial.events import Notice, TrialEnded, TrialStarted, TrialTrained

if TYPE_CHECKING:
    from paretune.search.database.trials import ReadNew
    from paretune.search.running.learning import Learning
    from paretune.search.running.recovery import Task
    from paretune.search.running.search_state import SearchState
    from paretune.search.study.records import FrontPoint

LOST = (
    "trial {number} went on in another worker, as this one gave no sign of life for too long; its "
    "result here is dropped"
)


class TrialExecution:
    """Runs the trials of one worker.

    Args:
        state: The search of this worker.
        learning: What it has learned from trials.
    """

    def __init__(self, state: SearchState, learning: Learning) -> None:
        self._state = state
        self._learning = learning

    def execute(self, task: Task) -> None:
        """Runs a trial to its end, to a pause, or until it waits for its measurements."""
        state = self._state
        stages = state.study.stages(task.plan)
        resumed = not task.taken_over and bool(task.spent) and state.study.race is not None
        state.report(
            TrialStarted(
                task.number,
                task.params,
                stages,
                task.taken_over,
                resumed,
                task.attempt,
                task.left,
            )
        )
        baseline = None if task.number == 0 else state.baseline
        work = state.study.evaluate if state.role.measures else state.study.train
        result = work(task.number, task.plan, baseline, state.report)
        if isinstance(result, Trained):
            self._hand_over(task, result)
            return
        result = result.with_earlier(task.spent)
        if result.state == "paused":
            self._pause(task, result)
            return
        if task.attempt > 1 and result.reason:
            attempts = {"attempts": str(task.attempt)}
            result = replace(result, reason={**result.reason, **attempts})
        if not self.end(task, result):
            return
        if task.number and task.variant_of is None:
            params = state.earlier.params(task.row)
            if params is not None:
                state.variants.trial_ended(task.number, params)
        self._count(result)

    def end(self, task: Task, result: Result) -> bool:
        """Stores the end of a trial in Paretune's tables, the truth, then in Optuna's.

        Args:
            task: The trial.
            result: Its result.

        Returns:
            False if another worker has taken the trial over: its result here is dropped.
        """
        state, learning = self._state, self._learning
        finished, grew = self._finish(task, result)
        if finished is None:
            state.report(Notice(LOST.format(number=task.number)))
            return False
        if state.store.outdated:
            state.refuse_newer_version()
        state.plans.add(task.plan.key, result.state)
        if task.attempt > 1:
            state.failed.ended(task.number)
        state.study.mirror.put(task.mirrored(result, finished))
        if task.number > 0:
            outcome = Outcome.of(result)
            if not state.proposer.tell(task.number, outcome):  # a dead worker had begun it
                learning.replay(task.row, outcome)
        state.report(
            TrialEnded(
                trial=task.number,
                result=result,
                baseline=state.reference if task.number else result.values,
                done=state.progress.tried,
                grew=grew,
                front=state.growth.front if task.number else {},
                hypervolume=state.growth.hypervolume if task.number else None,
                variant_of=task.variant_of,
                within_noise=within_noise(
                    result.measured, state.baseline.measurements if state.baseline else {}
                ),
            )
        )
        return True

    def _pause(self, task: Task, result: Result) -> None:
        """Pauses a trial of a race."""
        state = self._state
        if not state.store.is_owner(task.number, state.worker.id):
            state.report(Notice(LOST.format(number=task.number)))
            return
        self._count(result)
        state.refuse_newer_version()  # its workers take the trial over, and pause it
        state.turns.pause(task, result)

    def _count(self, result: Result) -> None:
        """Counts a trial that has ended or is paused, for the rules that end the search."""
        progress = self._state.progress
        progress.failures = progress.failures + 1 if result.state == "failed" else 0
        progress.durations.append(result.duration)

    def _hand_over(self, task: Task, trained: Trained) -> None:
        """Leaves a trained trial to a worker that measures."""
        state = self._state
        turns = Result("running", seconds=trained.seconds).with_earlier(task.spent)
        state.store.hand_over(task.number, state.worker.id, turns.seconds)
        state.progress.failures = 0
        state.report(TrialTrained(task.number))

    def _finish(self, task: Task, result: Result) -> tuple[float | None, bool]:
        """Learns from the end of a trial, and stores it with the front of all workers' trials.

        Args:
            task: The trial.
            result: Its result.

        Returns:
            The time, None if another worker has taken the trial over, and whether the trial is on
            the front of all trials.
        """
        state, learning, number = self._state, self._learning, task.number
        grew: bool | None = None

        def front(read_new: ReadNew) -> FrontPoint | None:
            nonlocal grew
            if grew is None:  # else the transaction is tried again
                grew = number > 0 and learning.take_in(number, result, task.variant_of)
            if grew:
                rows = read_new(*learning.seen)
                if any(row["state"] == "complete" and row["repeat_of"] is None for row in rows):
                    if not learning.only_reads(rows):
                        raise _MustMeasure
                    learning.learn(rows)
                    grew = number in state.growth.front
            return state.growth.point(number) if grew else None

        while True:
            try:
                finished = state.store.finish(
                    number, result, state.study.host, front, state.worker.id
                )
                return finished, bool(grew)
            except _MustMeasure:
                learning.learn()


class _MustMeasure(Exception):
    """Other workers ended trials that must be measured for this version of the study."""
