"""Adagrad (https://jmlr.org/papers/v12/duchi11a.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class Adagrad:
    """Adagrad: divides the gradient by the root of the sum of all its past squares."""

    class Params(Params):
        """Options of adagrad."""

        lr: float = Field(0.01, gt=0, le=10, description="learning rate at the schedule's peak")
        weight_decay: float = Field(
            0.0, ge=0, le=1, description="factor of the weights that is added to the gradient"
        )

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from torch.optim import Adagrad as Optimizer

        return Optimizer(parameters, lr=params.lr, weight_decay=params.weight_decay)
