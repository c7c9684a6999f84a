"""Cost: how much training a plan has left, before anything of it is trained.

Stages that are in the cache cost nothing; the others what an example of their network takes, times
epochs. The figure is counted, not timed, so that a resumed run sees the same: multiply-adds, plus
a hundred of them for each activation and 0.8 million for an example's share of whatever else a step
does. On a processor this gives the seconds of training 10 small networks (plain, separable and
residual, 0.1 to 6 million multiply-adds) within a factor of 0.6 to 1.6, where multiply-adds alone
are off by 10: what separable layers save in them they pay for in memory traffic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.objectives.forward_counts import count_forward
from paretune.search.study.spec import digest
from paretune.spaces.rebuild import initial_candidate

if TYPE_CHECKING:
    from paretune.search.building.pipeline import Pipeline
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.plan import Plan

ACTIVATION = 100.0
"""Multiply-adds that take as long as one activation does."""

EXAMPLE = 8e5
"""Multiply-adds that take as long as an example does in a network that computes nothing."""


class Costs:
    """What plans of a study have left to train.

    Args:
        pipeline: Knows what is trained.
        cache: Where the counts are kept.
        data: The study's.
    """

    def __init__(self, pipeline: Pipeline, cache: StageCache, data: Dataset) -> None:
        self._pipeline = pipeline
        self._cache = cache
        self._data = data
        self._known: dict[str, float] = {}

    def of(self, plan: Plan) -> float:
        """Multiply-adds, about, for one example; infinite where there is no such network."""
        left = sum(stage.epochs for stage in self._pipeline.untrained(plan))
        return left * self._example(plan.stages[0].params["architecture"]) if left else 0.0

    def _example(self, architecture: Mapping[str, Any]) -> float:
        key = digest([architecture, list(self._data.shape), self._data.classes])
        if key not in self._known:
            kept = self._cache.memo(f"forward.{key}", lambda: self._counted(architecture))
            self._known[key] = math.inf if kept is None else kept
        return self._known[key]

    def _counted(self, architecture: Mapping[str, Any]) -> float | None:
        shape = self._data.shape
        without = {"pretrained": False, "weights": None}  # nothing is downloaded to be counted
        light = {
            name: {key: without.get(key, value) for key, value in params.items()}
            for name, params in architecture.items()
        }
        try:
            forward = count_forward(
                initial_candidate(light, shape, self._data.classes, seed=0).model, shape
            )
        except Exception:  # the trial itself says why
            return None
        return forward.macs + ACTIVATION * forward.activations + EXAMPLE
