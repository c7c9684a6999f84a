"""The learning rate of each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from paretune.spaces.table import Option
from paretune.spaces.training import SCHEDULES


class LearningRates:
    """Sets an optimizer's rates as a schedule says; each group keeps its share of the rate.

    Args:
        optimizer: Its groups hold the rates at the schedule's peak.
        schedule: What follows the progress, and perhaps the losses.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Option) -> None:
        entry = SCHEDULES.get(schedule.name)
        self._optimizer = optimizer  # which may load other groups in place of these
        self._peaks = [float(group["lr"]) for group in optimizer.param_groups]
        self._factor = entry.factor
        self._answer = getattr(entry, "answer", None)
        self._params = schedule.params
        self._drop = 1.0

    def set(self, progress: float) -> None:
        """For the step at this progress in [0, 1)."""
        factor = self._drop * self._factor(self._params, progress)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor

    def hear(self, losses: Sequence[float]) -> None:
        """The monitored losses of all epochs so far, for a schedule that answers to them."""
        if self._answer is not None:
            self._drop = self._answer(self._params, losses)


def endless(schedule: Option) -> bool:
    """Whether the rate of an epoch does not depend on how many epochs there are to be.

    A training of more epochs then begins with the very weights of a shorter one. `step`, `cosine`
    and the others go by their share of the whole: a longer training is another one from its start.
    """
    entry = SCHEDULES.get(schedule.name)
    return hasattr(entry, "endless") and bool(entry.endless(schedule.params))
