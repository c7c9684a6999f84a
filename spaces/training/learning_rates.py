"""The learning rate of each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from paretune.spaces.table import Option
from paretune.spaces.training import SCHEDULES


class LearningRates:
    """Sets an optimizer's rates by a schedule; each parameter group keeps its share of the rate.

    Args:
        optimizer: The optimizer; its groups hold the rates at the schedule's peak.
        schedule: A schedule of SCHEDULES; it depends on the progress, and perhaps on the losses.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Option) -> None:
        entry = SCHEDULES.get(schedule.name)
        self._optimizer = optimizer  # not its groups: loading a state replaces them
        self._peaks = [float(group["lr"]) for group in optimizer.param_groups]
        self._factor = entry.factor
        self._loss_factor = getattr(entry, "loss_factor", None)
        self._params = schedule.params
        self._drop = 1.0

    def set(self, progress: float) -> None:
        """Sets the rates of the step at this progress in [0, 1)."""
        factor = self._drop * self._factor(self._params, progress)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor

    def observe(self, losses: Sequence[float]) -> None:
        """Passes the monitored losses of all past epochs to a schedule that depends on them."""
        if self._loss_factor is not None:
            self._drop = self._loss_factor(self._params, losses)


def endless(schedule: Option) -> bool:
    """Returns whether an epoch's rate does not depend on the number of epochs.

    A longer training then begins with exactly the weights of a shorter one. With `step`, `cosine`
    and other schedules over a share of the training, a longer training differs from its start.
    """
    entry = SCHEDULES.get(schedule.name)
    return hasattr(entry, "endless") and bool(entry.endless(schedule.params))
