"""Runs one trial: reports, evaluates and stores it, and tells the sampler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.search.database.trials import UnseenTrials
from paretune.search.front.changes import within_noise
from paretune.search.sampling.proposer import Outcome
from paretune.search.study.records import Result, Trained
from paretune.search.trial.events import Notice, TrialEnded, TrialStarted, TrialTrained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paretune.search.database.base import Row
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
        if not state.store.is_owner(task.number, state.worker.id):
            state.report(Notice(LOST.format(number=task.number)))
            return
        result = result.with_earlier(task.spent)
        if task.attempt > 1 and result.reason and result.state != "paused":
            attempts = {"attempts": str(task.attempt)}
            result = replace(result, reason={**result.reason, **attempts})
        if task.number and task.variant_of is None and result.state != "paused":
            params = state.earlier.params(task.row)
            if params is not None:
                state.variants.trial_ended(task.number, params)
        progress = state.progress
        progress.failures = progress.failures + 1 if result.state == "failed" else 0
        progress.durations.append(result.duration)
        if result.state == "paused":
            state.refuse_newer_version()  # its workers take the trial over, and pause it
            state.turns.pause(task, result)
        else:
            self.end(task, result)

    def end(self, task: Task, result: Result) -> None:
        """Stores the end of a trial in Paretune's tables, the truth, then in Optuna's.

        Args:
            task: The trial.
            result: Its result.
        """
        state, learning = self._state, self._learning
        grew = task.number > 0 and learning.take_in(task.number, result, task.variant_of)
        finished, grew = self._finish(task.number, result, grew)
        if finished is None:  # since the look in `execute`
            state.report(Notice(LOST.format(number=task.number)))
            return
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

    def _hand_over(self, task: Task, trained: Trained) -> None:
        """Leaves a trained trial to a worker that measures."""
        state = self._state
        turns = Result("running", seconds=trained.seconds).with_earlier(task.spent)
        state.store.hand_over(task.number, state.worker.id, turns.seconds)
        state.progress.failures = 0
        state.report(TrialTrained(task.number))

    def _finish(self, number: int, result: Result, grew: bool) -> tuple[float | None, bool]:
        """Stores the end of a trial, with a front that knows the trials of all workers.

        Args:
            number: Trial number.
            result: Its result.
            grew: Whether it changed the front of the trials that this worker knows.

        Returns:
            The time, None if another worker has taken the trial over, and whether the trial is on
            the front of all trials.
        """
        state, learning = self._state, self._learning

        def with_unseen(rows: Sequence[Row]) -> FrontPoint | None:
            if not learning.only_reads(rows):
                raise UnseenTrials
            learning.learn(rows)
            return state.growth.point(number) if number in state.growth.front else None

        while True:
            point = state.growth.point(number) if grew else None
            try:
                finished = state.store.finish(
                    number,
                    result,
                    state.study.host,
                    point,
                    state.worker.id,
                    learning.seen,
                    with_unseen,
                )
                return finished, grew and number in state.growth.front
            except UnseenTrials:  # some must be measured for this version of the study first
                learning.learn()
                grew = number in state.growth.front
