"""RMSprop (Hinton's lecture 6e, https://www.cs.toronto.edu/~hinton/coursera/lecture6/lec6.pdf)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class RmsProp:
    """Divides the gradient by a running root mean square of it."""

    class Params(Params):
        """Options of rmsprop."""

        lr: float = Field(1e-3, gt=0, le=10, description="learning rate at the schedule's peak")
        alpha: float = Field(0.99, ge=0, lt=1, description="decay of the square's mean")
        momentum: float = Field(0.0, ge=0, lt=1)
        weight_decay: float = Field(0.0, ge=0, le=1)

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """The optimizer on these parameters."""
        from torch.optim import RMSprop

        return RMSprop(
            parameters,
            lr=params.lr,
            alpha=params.alpha,
            momentum=params.momentum,
            weight_decay=params.weight_decay,
        )
