"""Adam (https://arxiv.org/abs/1412.6980) and AdamW (https://arxiv.org/abs/1711.05101)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class AdamParams(Params):
    """Options of adam and adamw."""

    lr: float = Field(1e-3, gt=0, le=10, description="learning rate at the schedule's peak")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the running mean of gradients")
    beta2: float = Field(
        0.999, ge=0, lt=1, description="decay of the running mean of squared gradients"
    )
    weight_decay: float = Field(
        0.0, ge=0, le=1, description="factor of the weights that is added to the gradient"
    )


class Adam:
    """Adam, with weight decay added to the gradient."""

    Params = AdamParams

    @staticmethod
    def build(
        parameters: Iterable[torch.nn.Parameter], params: AdamParams
    ) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from torch.optim import Adam as Optimizer

        return Optimizer(
            parameters,
            lr=params.lr,
            betas=(params.beta1, params.beta2),
            weight_decay=params.weight_decay,
        )


class AdamWParams(AdamParams):
    """Options of adamw."""

    weight_decay: float = Field(
        0.01,
        ge=0,
        le=1,
        description="share of the weights, times the learning rate, that each step subtracts",
    )


class AdamW:
    """Adam with decoupled weight decay (AdamW)."""

    Params = AdamWParams

    @staticmethod
    def build(
        parameters: Iterable[torch.nn.Parameter], params: AdamWParams
    ) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters."""
        from torch.optim import AdamW as Optimizer

        return Optimizer(
            parameters,
            lr=params.lr,
            betas=(params.beta1, params.beta2),
            weight_decay=params.weight_decay,
        )
