"""Proposes and begins new trials."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from paretune.search.running.recovery import Task
from paretune.search.sampling.proposer import Exhausted, Proposal
from paretune.search.study.records import Result

if TYPE_CHECKING:
    from paretune.search.running.learning import Learning
    from paretune.search.running.search_state import SearchState
    from paretune.search.running.trial_execution import TrialExecution
    from paretune.search.study.plan import Plan

PATIENCE = 0.5
"""Seconds to wait if other workers run every proposal."""

MAX_PROPOSALS = 10
"""This worker waits if other workers run this many proposals for one trial number."""

MAX_LOST = 3
"""Trial numbers in a row that other workers may take first; then a later number is used."""


class NewTrials:
    """Begins the new trials of one worker.

    Args:
        state: The search of this worker.
        learning: What it has learned from trials.
        execution: Ends the trials that repeat a plan.
    """

    def __init__(self, state: SearchState, learning: Learning, execution: TrialExecution) -> None:
        self._state = state
        self._learning = learning
        self._execution = execution
        self._lost = 0  # trial numbers in a row that other workers took first

    def begin(self) -> Task | None:
        """Begins a new trial; returns None if its plan is a repeat, or another worker was first.

        Raises:
            Exhausted: There is nothing left to propose.
            NewerVersion: The study has a newer version.
            UserError: No trial can be of use (`OpenStudy.refuse_search`).
        """
        state, learning = self._state, self._learning
        number = learning.last + 1
        for attempt in range(MAX_PROPOSALS):
            proposal, plan = self._propose(number, attempt)
            stored = proposal.to_json()
            # Two workers with the same history propose the same for one number, so the slower one
            # asks for the next number. With many quick workers it would never get one.
            # A plan to try first waits: at a later number, it might have been begun meanwhile.
            later = self._lost >= MAX_LOST and proposal.hint is None
            begun = state.store.begin_next(
                number,
                state.worker.id,
                plan,
                proposal.params,
                stored,
                later=later,
                most=state.spec.trials,
            )
            if begun is not None:
                learning.begun(begun.number)
                self._lost = 0
                state.proposer.renumber(number, begun.number)
                state.plans.add(plan.key, "running")
                state.hints.begun(stored)
                task = Task(begun.number, plan, proposal.params, stored, begun.started)
                if begun.same is None:
                    state.study.mirror.put(task.mirrored())
                    state.progress.repeats = 0
                    return task
                self._repeat(task, begun.same)
                return None
            state.proposer.withdraw(number)
            learning.learn()
            if learning.last >= number:
                self._lost += 1
                return None  # that may have been the last trial of the budget
        state.study.mirror.flush()
        time.sleep(PATIENCE)
        return None

    def _propose(self, number: int, attempt: int) -> tuple[Proposal, Plan]:
        """Returns the sampler's proposal and its plan, or a plan that was not tried yet.

        Raises:
            Exhausted: There is nothing left to propose.
            UserError: No trial can be of use (`OpenStudy.refuse_search`).
        """
        study, proposer, plans = self._state.study, self._state.proposer, self._state.plans
        proposal: Proposal | None = None
        study.refuse_search()
        if plans.all_begun():
            raise Exhausted
        hint = self._state.hints.next(lambda c: plans.is_begun(study.plan(c).key))
        if hint is not None:
            proposal = proposer.suggest(number, hint, attempt)
            return proposal, study.plan(proposal.choices)
        # A grid ends too early if format variants took some of its numbers.
        with suppress(Exhausted):
            proposal = proposer.ask(number, attempt)
            plan = study.plan(proposal.choices)
            if not plans.is_spent(plan.key, self._state.progress.repeats):
                return proposal, plan
        params = plans.nearest_untried(proposal.params if proposal else {})
        if params is None:
            if proposal is not None:
                proposer.withdraw(number)
            raise Exhausted
        other = proposer.replace(number, params)
        return other, study.plan(other.choices)

    def _repeat(self, task: Task, first: int) -> None:
        """Ends a trial that repeats a plan, with the result of the first one."""
        self._state.progress.repeats += 1
        earlier = self._state.store.trial(first)
        assert earlier is not None
        self._execution.end(
            task,
            Result(
                "stopped" if earlier.state == "paused" else earlier.state,
                earlier.values,
                earlier.violations,
                reason=earlier.reason,
                repeat_of=first,
            ),
        )
