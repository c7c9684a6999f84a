"""A running mean of the weights, which is what the stage then returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


class WeightAverage:
    """Exponential moving average of a model's weights (https://arxiv.org/abs/1412.6980, sec. 7.2).

    After step t (from 1): mean = d * mean + (1 - d) * weights, d = min(decay, (1 + t) / (10 + t)),
    so that a short training is not mostly its random start (TensorFlow's num_updates). Floating
    buffers, that is BatchNorm's running statistics, are averaged alike, because the averaged
    weights need the statistics of about the same time; counters are left as the model has them. A
    weight that is zero at every step stays zero.

    Args:
        model: What is trained.
        decay: In (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        kept = [*model.parameters(), *model.buffers()]
        self._live = [t.data for t in kept if t.is_floating_point()]
        self._mean = [t.clone() for t in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)

    @torch.no_grad()
    def put(self) -> None:
        """Makes the mean the model's weights."""
        torch._foreach_copy_(self._live, self._mean)

    def state(self) -> dict[str, Any]:
        """The mean and how many steps are in it, for `load`."""
        return {"steps": self._steps, "mean": self._mean}

    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from another mean of the same model."""
        self._steps = state["steps"]
        torch._foreach_copy_(self._mean, state["mean"])

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The mean as the model's weights, for as long as the block lasts."""
        own = [t.clone() for t in self._live]
        self.put()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._live, own)
