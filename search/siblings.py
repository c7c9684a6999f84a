"""Siblings: one trained network in every number format that needs no further training.

Training is what a trial costs; to quantize, deploy and measure what is trained already takes
seconds. So after a trial the same choices with each other number format become trials of their own:
sampler and front learn from them, and they do not count among the trials that were asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from search.techniques import trains
from spaces.domains import Choice, Domain, Node, Record, assign, assignments, count

if TYPE_CHECKING:
    from search.opened import Opened
    from search.recovery import Task
    from search.worker import Worker

FORMAT = "quantization"
"""The part of a space that may change once a network is trained."""

MOST = 4
"""Variants of one number format that are tried of a network; one with more is the sampler's."""


class Siblings:
    """The siblings that are still to be tried.

    Args:
        study: The open study.
    """

    def __init__(self, study: Opened) -> None:
        self._study = study
        self._waiting: deque[tuple[int, Mapping[str, Any]]] = deque()
        space = study.spec.space
        wanted = study.spec.siblings and study.spec.own is None
        self._formats = formats(space) if wanted else []

    def expect(self, number: int, params: Mapping[str, Any]) -> None:
        """A trial has ended: its siblings are next.

        Args:
            number: Of the trial.
            params: Its parameters.
        """
        own = {name: value for name, value in params.items() if not _in_format(name)}
        given = {name: value for name, value in params.items() if _in_format(name)}
        self._waiting.extend(
            (number, {**own, **other}) for other in self._formats if other != given
        )

    def begun(self, worker: Worker) -> Task | None:
        """The next sibling as a trial that runs from now on; None when there is none."""
        from search.recovery import Task

        while self._waiting:
            first, params = self._waiting.popleft()
            plan = self._study.plan(self._choices(params))
            if not self._study.trained(plan) or self._study.store.same_plan(plan.key) is not None:
                continue
            proposal = {"params": params, "attributes": {}}
            store = self._study.store
            begun = store.begin_next(
                store.last_number() + 1, worker.id, plan, params, proposal, sibling=first
            )
            if begun is None:  # another worker is at it
                continue
            task = Task(begun.number, plan, params, proposal, begun.started, sibling=first)
            self._study.mirror.put(task.mirrored())
            return task
        return None

    def _choices(self, params: Mapping[str, Any]) -> Any:
        return assign(self._study.spec.space, lambda name, _: params[name])


def formats(space: Node) -> list[dict[str, Any]]:
    """The assignments of the number format that need no training; none where it is not searched.

    Args:
        space: Of the study, a Record.
    """
    assert isinstance(space, Record)
    node = dict(space.fields).get(FORMAT)
    if not isinstance(node, Choice):
        return []
    found = []
    for label, child in node.options:
        if count(child) > MOST:
            continue
        only = Record(((FORMAT, Choice(((label, child),))),))
        found += [params for params in assignments(only) if not _trains(only, params)]
    return found


def _trains(only: Record, params: Mapping[str, Any]) -> bool:
    def choose(name: str, _: Domain) -> Any:
        return params[name]

    return trains("quantize", {"quantization": assign(only, choose)[FORMAT]})


def _in_format(name: str) -> bool:
    return name == FORMAT or name.startswith(f"{FORMAT}.")
