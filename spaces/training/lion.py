"""Lion (https://arxiv.org/abs/2302.06675)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class Lion:
    """Lion: steps by the sign of a running mean; needs a rate 3 to 10 times smaller than AdamW."""

    class Params(Params):
        """Options of lion."""

        lr: float = Field(1e-4, gt=0, le=10, description="learning rate at the schedule's peak")
        beta1: float = Field(
            0.9, ge=0, lt=1, description="weight of the running mean in the step's sign"
        )
        beta2: float = Field(0.99, ge=0, lt=1, description="decay of the running mean of gradients")
        weight_decay: float = Field(
            0.0,
            ge=0,
            le=10,
            description="share of the weights, times the learning rate, that each step subtracts",
        )

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from paretune.spaces.training.sign_momentum import SignMomentum

        betas = (params.beta1, params.beta2)
        return SignMomentum(parameters, params.lr, betas, params.weight_decay)
