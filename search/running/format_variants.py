"""Format variants: a trained network in each number format that needs no further training.

Training is the expensive part of a trial; quantizing, deploying and measuring a trained network
takes seconds. So each network becomes further trials, one in each other number format. They run
after its trial, or at the end for the networks of the front. Sampler and front learn from them.
They do not count towards the number of trials that the user asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.running.recovery import Task
from paretune.search.study.number_formats import variant_formats, variants_of
from paretune.spaces.domains import assign

if TYPE_CHECKING:
    from paretune.search.changing.earlier_trials import EarlierTrials
    from paretune.search.running.worker import Worker
    from paretune.search.trial.open_study import OpenStudy


class FormatVariants:
    """The queue of format variants to try.

    Args:
        study: The open study.
        earlier: Translates trials of earlier versions.
    """

    def __init__(self, study: OpenStudy, earlier: EarlierTrials) -> None:
        self._study = study
        self._earlier = earlier
        self._queue: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._formats = variant_formats(study.spec)
        self._front_only = study.spec.format_variants == "front"
        self._search_ended = False

    def trial_ended(self, number: int, params: Mapping[str, Any]) -> None:
        """Queues the variants of a trial, unless only the final front gets variants.

        Args:
            number: Trial number.
            params: Its parameters.
        """
        if self._search_ended or not self._front_only:
            self._add(number, params)

    def search_ended(self, members: Collection[int]) -> bool:
        """Queues the variants of the front's networks, if they were left for the end.

        Args:
            members: Trial numbers of the front.

        Returns:
            Whether the queue holds any.
        """
        if self._search_ended or not self._front_only:
            return False
        self._search_ended = True
        for row in self._study.store.rows(set(members) - {0}):
            params = self._earlier.params(row)
            if params is not None:
                self._add(row["variant_of"] or row["number"], params)
        return bool(self._queue)

    def begin_next(self, worker: Worker) -> Task | None:
        """Begins the next variant as a running trial; returns None if the queue is empty."""
        while self._queue:
            first, params = self._queue.popleft()
            plan = self._study.plan(self._choices(params))
            if not self._study.trained(plan) or self._study.store.same_plan(plan.key) is not None:
                continue
            proposal = {"params": params, "attributes": {}}
            store = self._study.store
            begun = store.begin_next(
                store.last_number() + 1, worker.id, plan, params, proposal, variant_of=first
            )
            if begun is None:  # another worker runs this plan
                continue
            task = Task(begun.number, plan, params, proposal, begun.started, variant_of=first)
            self._study.mirror.put(task.mirrored())
            return task
        return None

    def _add(self, number: int, params: Mapping[str, Any]) -> None:
        self._queue.extend((number, other) for other in variants_of(params, self._formats))

    def _choices(self, params: Mapping[str, Any]) -> Any:
        return assign(self._study.spec.space, lambda name, _: params[name])
