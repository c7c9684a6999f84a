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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
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
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.plan import Plan
    from paretune.search.study.stage import Stage

ACTIVATION = 100.0
"""Multiply-adds that take as long as one activation."""

EXAMPLE = 8e5
"""Multiply-adds that take as long as the fixed work for one example."""

SPEED = 1.6e10
"""Multiply-adds that a core of a common processor trains in a second.

Two small networks on images of 8 and 32 pixels gave 14 and 18 billion. A faster machine, such as a
GPU, trains more in the seconds that a trial spends on other things.
"""

Price = Callable[[], float]
"""Returns how much training a plan has left now, in multiply-adds per example."""


@dataclass(frozen=True)
class _Training:
    """A stage of a plan that trains.

    Attributes:
        key: Its key in the stage cache.
        epochs: Its epochs, at least 1.
        work: Work for one example of the first network -> work of the stage for one example.
    """

    key: str
    epochs: int
    work: Callable[[float], float]


class TrainingCosts:
    """Estimates the remaining training cost of plans.

    Args:
        pipeline: Lists the stages that train, with their keys.
        cache: Tells which stages are trained; keeps the counts.
        data: The study's data.
    """

    def __init__(self, pipeline: Pipeline, cache: StageCache, data: Dataset) -> None:
        self._pipeline = pipeline
        self._cache = cache
        self._data = data
        self._costs: dict[str, float] = {}

    def of(self, plan: Plan) -> float:
        """Returns the cost in multiply-adds per example; infinite if no network can be built."""
        return self.price(plan)()

    def price(self, plan: Plan) -> Price:
        """Returns a function that gives the cost now: a sampler asks again after other trials.

        What does not change with the stage cache is computed once.
        """
        trainings = self._trainings(plan)
        example = cache(partial(self.example, plan.stages[0].params["architecture"]))

        def cost() -> float:
            left = [training for training in trainings if not self._cache.has(training.key)]
            if not left:
                return 0.0
            work = example()
            return sum(training.epochs * training.work(work) for training in left)

        return cost

    def of_seconds(self, seconds: float) -> float:
        """Returns the cost of as much training as a common processor does in some seconds."""
        return seconds * SPEED / max(1, self._data.size("train"))

    def _trainings(self, plan: Plan) -> list[_Training]:
        links = [(link, link.stage.epochs) for link in self._pipeline.training_links(plan)]
        return [
            _Training(link.digest, epochs, _work_of(link.stage, plan))
            for link, epochs in links
            if epochs
        ]

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


def _work_of(stage: Stage, plan: Plan) -> Callable[[float], float]:
    """Returns a function: work of the first network for one example -> work of the stage.

    Stages after a subnet is cut out train a smaller network.
    """
    kinds = [other.kind for other in plan.stages]
    if SUBNET not in kinds:
        return _unchanged
    if stage.kind == ELASTIC:
        steps = subnets_per_step(stage.params[ELASTIC])
        return lambda example: example * steps
    cut = kinds.index(SUBNET)
    if kinds.index(stage.kind) < cut:
        return _unchanged
    share = subnet_share(plan.stages[cut].params[SUBNET])
    return lambda example: EXAMPLE + share * (example - EXAMPLE)


def _unchanged(example: float) -> float:
    return example
