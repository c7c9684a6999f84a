"""A running mean of the weights, which the training stage then returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch


class WeightAverage:
    """An exponential moving average of a model's weights (Kingma and Ba 2015, section 7.2).

    https://arxiv.org/abs/1412.6980

    After step t (from 1): mean = d * mean + (1 - d) * weights, d = min(decay, (1 + t) / (10 + t)).
    The smaller decay at the start keeps the random first weights from dominating a short training
    (TensorFlow's num_updates). Floating-point buffers, such as BatchNorm's running statistics, are
    averaged too, because averaged weights need statistics of about the same time. Counters are not
    averaged. A weight that is zero at every step stays zero.

    Args:
        model: The model in training.
        decay: Largest decay, in (0, 1).
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        tensors = [*model.parameters(), *model.buffers()]
        self._live = [t.data for t in tensors if t.is_floating_point()]
        self._mean = [t.clone() for t in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Adds the weights after a step to the mean."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Copies the mean into the model."""
        torch._foreach_copy_(self._live, self._mean)

    def state(self) -> dict[str, Any]:
        """Returns the mean and its number of steps, for `load`."""
        return {"steps": self._steps, "mean": self._mean}

    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of another mean of the same model."""
        self._steps = state["steps"]
        torch._foreach_copy_(self._mean, state["mean"])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Makes the mean the model's weights inside the `with` block."""
        weights = [t.clone() for t in self._live]
        self.apply()
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._live, weights)
