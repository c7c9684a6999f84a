"""Proposes and begins new trials."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from paretune.search.database.claims import Claims
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

CLAIM_PATIENCE = 0.05
"""Seconds to wait for other workers that are about to begin trials."""

MAX_PROPOSALS = 10
"""This worker waits if other workers run this many proposals for one trial number."""


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
        self._claims = Claims(state.study.engine)
        self._is_shared = False  # whether other workers have been seen
        self._others: frozenset[str] = frozenset()  # those that proposed at the last claim

    def begin(self, others: int) -> Task | None:
        """Begins a new trial; returns None if its plan is a repeat, or another worker was first.

        Args:
            others: Number of trials that other workers run.

        Raises:
            Exhausted: There is nothing left to propose.
            NewerVersion: The study has a newer version.
            UserError: No trial can be of use (`OpenStudy.refuse_search`).
        """
        self._is_shared = self._is_shared or others > 0
        if not self._is_shared:
            return self._begin(self._learning.lowest_free, ahead=0)
        worker = self._state.worker
        claim = self._claims.claim(
            worker.id,
            self._learning.absent,
            self._others - worker.living_among(self._others),
            self._state.spec.trials,
        )
        self._others = claim.others
        if claim.number is None:
            self._wait(CLAIM_PATIENCE)
            return None
        has_begun = False
        try:
            task = self._begin(claim.number, claim.ahead)
            has_begun = task is not None
            return task
        finally:
            if not has_begun:
                self._claims.give_back(worker.id)

    def _begin(self, number: int, ahead: int) -> Task | None:
        """Does the same for a number.

        Args:
            number: Trial number.
            ahead: Number of lower numbers whose trials other workers propose now.
        """
        state, learning = self._state, self._learning
        for attempt in range(MAX_PROPOSALS):
            proposed = self._propose(number, ahead, attempt)
            if proposed is None:
                self._wait(CLAIM_PATIENCE)
                return None
            proposal, plan = proposed
            stored = proposal.to_json()
            begun = state.store.begin_next(
                number,
                state.worker.id,
                plan,
                proposal.params,
                stored,
                later=False,
                most=state.spec.trials,
            )
            if begun is not None:
                learning.begun(number)
                state.plans.add(plan.key, "running")
                state.hints.begun(stored)
                task = Task(number, plan, proposal.params, stored, begun.started)
                if begun.same is None:
                    state.study.mirror.put(task.mirrored())
                    state.progress.repeats = 0
                    return task
                self._repeat(task, begun.same)
                return None
            state.proposer.withdraw(number)
            learning.learn()
            if not learning.is_free(number):  # that may have been the last trial of the budget
                self._is_shared = True
                return None
        self._wait(PATIENCE)
        return None

    def _propose(self, number: int, ahead: int, attempt: int) -> tuple[Proposal, Plan] | None:
        """Returns the sampler's proposal and its plan, or a plan that was not tried yet.

        Args:
            number: Trial number.
            ahead: Number of lower numbers whose trials other workers propose now.
            attempt: How many proposals for this number were withdrawn before.

        Returns:
            None if only plans are left that other workers may be about to begin.

        Raises:
            Exhausted: There is nothing left to propose.
            UserError: No trial can be of use (`OpenStudy.refuse_search`).
        """
        study, proposer, plans = self._state.study, self._state.proposer, self._state.plans
        proposal: Proposal | None = None
        study.refuse_search()
        if plans.all_begun():
            raise Exhausted
        hint = self._state.hints.next(lambda c: plans.is_begun(study.plan(c).key), ahead)
        if hint is not None:
            proposal = proposer.suggest(number, hint, attempt)
            return proposal, study.plan(proposal.choices)
        # A grid ends too early if format variants took some of its numbers.
        with suppress(Exhausted):
            proposal = proposer.ask(number, attempt)
            plan = study.plan(proposal.choices)
            if not plans.is_spent(plan.key, self._state.progress.repeats):
                return proposal, plan
        params = None if ahead else plans.nearest_untried(proposal.params if proposal else {})
        if params is not None:
            other = proposer.replace(number, params)
            return other, study.plan(other.choices)
        if proposal is not None:
            proposer.withdraw(number)
        if ahead:
            return None
        raise Exhausted

    def _wait(self, seconds: float) -> None:
        """Waits for other workers."""
        self._state.study.mirror.flush()
        time.sleep(seconds)

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
