"""Huber's loss of values (Huber 1964)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest
from paretune.spaces.base import Data
from paretune.spaces.params import Params as BaseParams
from paretune.spaces.training.losses.base import LossFunction, same_shapes

if TYPE_CHECKING:
    import torch


class Huber:
    """Squared error of values near the target, absolute error further away (Huber)."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("values",)

    class Params(BaseParams):
        """Options of huber."""

        delta: float = Field(
            1.0, gt=0, le=1e9, description="error at which the loss turns from a square to a line"
        )

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the mean of e^2 / 2 for errors up to delta, else delta * (|e| - delta / 2)."""
        from torch.nn import functional

        def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
            pair = same_shapes("huber", outputs, targets)
            return functional.huber_loss(*pair, delta=params.delta)

        return loss
