"""FormatVariants: one trained network in every number format that needs no further training.

Training is what a trial costs; to quantize, deploy and measure what is trained already takes
seconds. So after a trial, or in the end for the networks of the front, the same choices with each
other number format become trials of their own: sampler and front learn from them, and they do not
count among the trials that were asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.study.number_formats import variant_formats, variants_of
from paretune.spaces.domains import assign

if TYPE_CHECKING:
    from paretune.search.running.recovery import Task
    from paretune.search.running.worker import Worker
    from paretune.search.trial.open_study import OpenStudy


class FormatVariants:
    """The siblings that are still to be tried.

    Args:
        study: The open study.
    """

    def __init__(self, study: OpenStudy) -> None:
        self._study = study
        self._waiting: deque[tuple[int, Mapping[str, Any]]] = deque()
        self._formats = variant_formats(study.spec)
        self._of_front = study.spec.format_variants == "front"  # of its networks only, in the end
        self._search_ended = False

    def expect(self, number: int, params: Mapping[str, Any]) -> None:
        """A trial has ended: its siblings are next, unless they wait for the end.

        Args:
            number: Of the trial.
            params: Its parameters.
        """
        if self._search_ended or not self._of_front:
            self._wait_for(number, params)

    def of_front(self, members: Collection[int]) -> bool:
        """The search has ended: those of the front's networks are next, where they have waited.

        Args:
            members: Numbers of the front's trials.

        Returns:
            Whether there may be any.
        """
        if self._search_ended or not self._of_front:
            return False
        self._search_ended = True
        for row in self._study.store.rows(set(members) - {0}):
            self._wait_for(row["variant_of"] or row["number"], row["params"])
        return bool(self._waiting)

    def _wait_for(self, number: int, params: Mapping[str, Any]) -> None:
        self._waiting.extend((number, other) for other in variants_of(params, self._formats))

    def begun(self, worker: Worker) -> Task | None:
        """The next variant_of as a trial that runs from now on; None when there is none."""
        from paretune.search.running.recovery import Task

        while self._waiting:
            first, params = self._waiting.popleft()
            plan = self._study.plan(self._choices(params))
            if not self._study.trained(plan) or self._study.store.same_plan(plan.key) is not None:
                continue
            proposal = {"params": params, "attributes": {}}
            store = self._study.store
            begun = store.begin_next(
                store.last_number() + 1, worker.id, plan, params, proposal, variant_of=first
            )
            if begun is None:  # another worker is at it
                continue
            task = Task(begun.number, plan, params, proposal, begun.started, variant_of=first)
            self._study.mirror.put(task.mirrored())
            return task
        return None

    def _choices(self, params: Mapping[str, Any]) -> Any:
        return assign(self._study.spec.space, lambda name, _: params[name])
