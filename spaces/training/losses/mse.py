"""Mean squared error of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from paretune.nests import Nest
from paretune.spaces.base import Data
from paretune.spaces.params import Params as BaseParams
from paretune.spaces.training.losses.base import LossFunction, same_shapes

if TYPE_CHECKING:
    import torch


class Mse:
    """Mean squared error of values."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("values",)

    class Params(BaseParams):
        """No options."""

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the mean squared error over examples and values."""
        from torch.nn import functional

        def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
            return functional.mse_loss(*same_shapes("mse", outputs, targets))

        return loss
