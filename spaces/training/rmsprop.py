"""RMSprop (Hinton's lecture 6e, https://www.cs.toronto.edu/~hinton/coursera/lecture6/lec6.pdf)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class RmsProp:
    """RMSprop: divides the gradient by the root of a running mean of its squares."""

    class Params(Params):
        """Options of rmsprop."""

        lr: float = Field(1e-3, gt=0, le=10, description="learning rate at the schedule's peak")
        alpha: float = Field(
            0.99, ge=0, lt=1, description="decay of the running mean of squared gradients"
        )
        momentum: float = Field(
            0.0, ge=0, lt=1, description="share of the previous step that each step repeats"
        )
        weight_decay: float = Field(
            0.0, ge=0, le=1, description="factor of the weights that is added to the gradient"
        )

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from torch.optim import RMSprop

        return RMSprop(
            parameters,
            lr=params.lr,
            alpha=params.alpha,
            momentum=params.momentum,
            weight_decay=params.weight_decay,
        )
