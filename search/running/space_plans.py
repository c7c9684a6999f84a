"""The plans of a finite space, so that a run tries each of them once and then ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from paretune.search.study.plan import Plan
from paretune.spaces.domains import Node, assign, assignments, count

MOST_PLANS = 10_000
"""The assignments of a larger space are not listed: that would take more than a second."""

PATIENCE = 10
"""Proposals in a row that may repeat a plan; then the run takes a plan that was not tried yet."""

Params = Mapping[str, Any]

ANSWERED = ("complete", "infeasible", "stopped", "paused")
"""States of a trial whose plan needs no second trial."""


class SpacePlans:
    """The plans of a space, and those that trials have begun.

    Different assignments may give the same plan: an option that its branch ignores, for example.
    Only the plans count. They are listed when that can matter first.

    Args:
        space: The space of the study.
        plan: Returns the plan of a concrete value of the space.
    """

    def __init__(self, space: Node, plan: Callable[[Any], Plan]) -> None:
        self._space = space
        self._plan = plan
        self._size = count(space)
        self._begun: set[str] = set()
        self._answered: set[str] = set()
        self._repeated = False

    def add(self, key: str, state: str) -> None:
        """Adds a trial.

        Args:
            key: Key of its plan.
            state: Its state.
        """
        self._repeated = self._repeated or key in self._answered
        self._begun.add(key)
        if state in ANSWERED:
            self._answered.add(key)
        else:
            self._answered.discard(key)

    def is_begun(self, key: str) -> bool:
        """Returns whether a plan has a trial."""
        return key in self._begun

    @property
    def is_small(self) -> bool:
        """Whether the plans can be listed."""
        return self._size <= MOST_PLANS

    def has(self, key: str) -> bool:
        """Returns whether a plan is one of the space; the space must be small."""
        return key in self._params

    def total(self, at_most: float) -> int | None:
        """Returns the number of plans; None if the space has more assignments than `at_most`."""
        return len(self._params) if self._size <= min(MOST_PLANS, at_most) else None

    def all_begun(self, at_end: bool = False) -> bool:
        """Returns whether every plan has a trial.

        Args:
            at_end: Lists the plans even if no sign shows that there may be none left.
        """
        if not self.is_small or not self._begun:
            return False
        listed = "_params" in self.__dict__
        if not (listed or self._repeated or at_end) and len(self._begun) < self._size:
            return False
        return self._params.keys() <= self._begun

    def is_spent(self, key: str, repeats: int) -> bool:
        """Returns whether a proposal shall give way to a plan that was not tried yet.

        A few repeats are left to the sampler. A plan that failed is not tried again.

        Args:
            key: Key of the proposed plan.
            repeats: Proposals in a row that repeated a plan.
        """
        if not self.is_small or key not in self._begun:
            return False
        return key not in self._answered or repeats >= PATIENCE

    def nearest_untried(self, params: Params) -> Params | None:
        """Returns the assignment of a plan without a trial that is most like another assignment.

        Args:
            params: The other assignment.

        Returns:
            The first one among equals; None if every plan has a trial, or the space is too large.
        """
        if not self.is_small:
            return None
        untried = [
            params_of_plan for key, params_of_plan in self._params.items() if key not in self._begun
        ]

        def common(params_of_plan: Params) -> int:
            return sum(params.get(name) == value for name, value in params_of_plan.items())

        return max(untried, key=common, default=None)

    @cached_property
    def _params(self) -> dict[str, Params]:
        """Key of a plan -> its first assignment."""
        by_key: dict[str, Params] = {}
        for params in assignments(self._space):
            by_key.setdefault(self._plan(self._choices(params)).key, params)
        return by_key

    def _choices(self, params: Params) -> Any:
        return assign(self._space, lambda name, _: params[name])
