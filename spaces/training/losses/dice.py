"""Dice loss (Milletari et al. 2016, https://arxiv.org/abs/1606.04797)."""

from __future__ import annotations

from typing import ClassVar

from paretune.spaces.base import Data
from paretune.spaces.training.losses.base import LossFunction
from paretune.spaces.training.losses.overlap import EPSILON, OverlapParams, overlap_loss


class Dice:
    """1 - Dice score of the masks: twice the overlap over the sum of both areas."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("mask", "labels")

    class Params(OverlapParams):
        """Options of dice."""

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns 1 - the mean over the classes of 2 overlap / (predicted + true area)."""
        return overlap_loss("dice", params, data, lambda both, area: 2 * both / (area + EPSILON))
