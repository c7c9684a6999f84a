"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class Sgd:
    """Stochastic gradient descent with momentum."""

    class Params(Params):
        """Options of sgd."""

        lr: float = Field(0.1, gt=0, le=100, description="learning rate at the schedule's peak")
        momentum: float = Field(
            0.9, ge=0, lt=1, description="share of the previous step that each step repeats"
        )
        nesterov: bool = Field(False, description="use Nesterov's momentum")
        weight_decay: float = Field(
            0.0, ge=0, le=1, description="factor of the weights that is added to the gradient"
        )

        @model_validator(mode="after")
        def _nesterov_needs_momentum(self) -> Sgd.Params:
            if self.nesterov and self.momentum == 0:
                raise ValueError("nesterov needs a momentum above 0")
            return self

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from torch.optim import SGD

        return SGD(
            parameters,
            lr=params.lr,
            momentum=params.momentum,
            nesterov=params.nesterov,
            weight_decay=params.weight_decay,
        )
