"""Jaccard loss (Rahman and Wang 2016, https://doi.org/10.1007/978-3-319-50835-1_22)."""

from __future__ import annotations

from typing import ClassVar

from paretune.spaces.base import Data
from paretune.spaces.training.losses.base import LossFunction
from paretune.spaces.training.losses.overlap import EPSILON, OverlapParams, overlap_loss


class Jaccard:
    """1 - Jaccard score of the masks: the overlap over the union of both areas."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("mask", "labels")

    class Params(OverlapParams):
        """Options of jaccard."""

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns 1 - the mean over the classes of overlap / union."""
        return overlap_loss(
            "jaccard", params, data, lambda both, area: both / (area - both + EPSILON)
        )
