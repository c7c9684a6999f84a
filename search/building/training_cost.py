"""Training cost: estimates how much training a plan has left.

A cached stage costs nothing. Any other stage costs the work for one example of its network, times
its epochs. The work is counted, not timed, so that a resumed run gets the same figure. It is the
number of multiply-adds, plus 100 for each activation, plus 0.8 million for the fixed work of a
training step. On a CPU this predicts the training time of 10 small networks (plain, separable and
residual, 0.1 to 6 million multiply-adds) within a factor of 0.6 to 1.6. Multiply-adds alone are off
by a factor of 10, because separable layers save multiply-adds and need more memory traffic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import sizes
from paretune.objectives.forward_counts import count_forward
from paretune.search.study.elastic import (
    ELASTIC,
    SUBNET,
    subnet_share,
    subnets_per_step,
)
from paretune.search.study.spec import digest
from paretune.spaces.rebuild import initial_candidate

if TYPE_CHECKING:
    from paretune.search.building.pipeline import Pipeline
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.building.stage_keys import Link
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.plan import Plan
    from paretune.search.study.stage import Stage

ACTIVATION = 100.0
"""Multiply-adds that take as long as one activation."""

EXAMPLE = 8e5
"""Multiply-adds that take as long as the fixed work for one example."""

REMEMBERED = 2000
"""Plans whose stage keys are remembered: to compute them takes most of the time of a proposal."""


class TrainingCosts:
    """Estimates the remaining training cost of plans.

    Args:
        pipeline: Lists the stages that are not trained yet.
        cache: Keeps the counts.
        data: The study's data.
    """

    def __init__(self, pipeline: Pipeline, cache: StageCache, data: Dataset) -> None:
        self._pipeline = pipeline
        self._cache = cache
        self._data = data
        self._costs: dict[str, float] = {}
        self._links: dict[str, list[Link]] = {}

    def of(self, plan: Plan) -> float:
        """Returns the cost in multiply-adds per example; infinite if no network can be built."""
        left = self._untrained(plan)
        if not any(stage.epochs for stage in left):
            return 0.0
        if plan.stage(SUBNET) is not None:
            return self._elastic(plan, left)
        epochs = sum(stage.epochs for stage in left)
        return epochs * self.example(plan.stages[0].params["architecture"])

    def _untrained(self, plan: Plan) -> list[Stage]:
        """Returns the training stages that are left; samplers ask for the same plans many times."""
        if plan.key not in self._links:
            if len(self._links) >= REMEMBERED:
                self._links.clear()
            self._links[plan.key] = self._pipeline.training_links(plan)
        return [link.stage for link in self._links[plan.key] if not self._cache.has(link.digest)]

    def _elastic(self, plan: Plan, left: Sequence[Stage]) -> float:
        """Returns the cost of a plan with a subnet: what is trained after it is smaller."""
        whole = self.example(plan.stages[0].params["architecture"])
        kinds = [stage.kind for stage in plan.stages]
        cut = kinds.index(SUBNET)
        share = subnet_share(plan.stages[cut].params[SUBNET])
        total = 0.0
        for stage in left:
            cost = whole
            if stage.kind == ELASTIC:
                cost = whole * subnets_per_step(stage.params[ELASTIC])
            elif kinds.index(stage.kind) > cut:
                cost = EXAMPLE + share * (whole - EXAMPLE)
            total += stage.epochs * cost
        return total

    def example(self, architecture: Mapping[str, Any]) -> float:
        """Returns the cost of one example of one epoch; infinite if no network can be built."""
        key = digest([architecture, sizes(self._data.shape), self._data.task.outputs.size])
        if key not in self._costs:
            cost = self._cache.memo(f"forward.{key}", lambda: self._count(architecture))
            self._costs[key] = math.inf if cost is None else cost
        return self._costs[key]

    def _count(self, architecture: Mapping[str, Any]) -> float | None:
        shape = self._data.shape
        without = {"pretrained": False, "weights": None}  # counting downloads nothing
        light = {
            name: {key: without.get(key, value) for key, value in params.items()}
            for name, params in architecture.items()
        }
        try:
            forward = count_forward(
                initial_candidate(light, shape, self._data.task.outputs, seed=0).model, shape
            )
        except Exception:  # the trial itself reports why
            return None
        return forward.macs + ACTIVATION * forward.activations + EXAMPLE
