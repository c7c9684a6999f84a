"""The overlap of predicted and true masks, which Dice and Jaccard losses are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from paretune.nests import Nest
from paretune.spaces.base import Data
from paretune.spaces.params import Params
from paretune.spaces.training.losses.base import (
    LossFunction,
    ignored_class,
    same_shapes,
    scores_and_classes,
)
from paretune.spaces.training.losses.bce import binary_cross_entropy
from paretune.spaces.training.losses.cross_entropy import IGNORE_TEXT, cross_entropy
from paretune.spaces.training.losses.focal import is_multi_label

if TYPE_CHECKING:
    import torch

EPSILON = 1e-7

Ratio = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""(overlap, predicted + true area) of each class -> its score in [0, 1]."""


class OverlapParams(Params):
    """Options of a loss of overlaps."""

    ignore: int | None = Field(None, description=IGNORE_TEXT)
    cross_entropy: float = Field(
        0.0, ge=0, le=1, description="share of the cross-entropy in the loss; overlap has the rest"
    )


def overlap_loss(name: str, params: OverlapParams, data: Data, ratio: Ratio) -> LossFunction:
    """Returns 1 - the mean score of the classes that occur in the batch.

    Probabilities come from logits: the softmax for classes, the sigmoid for labels. Areas are
    summed over the batch, so that a class missing in one image does not count as an error.

    Args:
        name: Name of the loss, for errors.
        params: Its options.
        data: Provides the task.
        ratio: The score of a class.
    """
    ignore, per = ignored_class(params, data), data.task.outputs.per

    def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
        if is_multi_label(data, targets):
            scores, truth = same_shapes(name, outputs, targets)
            overlap = 1 - _mean_ratio(scores.sigmoid(), truth, ratio)
            cross = binary_cross_entropy(scores, truth, None) if params.cross_entropy else overlap
        else:
            scores, classes = scores_and_classes(name, outputs, targets, per)
            overlap = 1 - _mean_ratio(*_class_masks(scores, classes, ignore), ratio)
            entropy = params.cross_entropy
            cross = cross_entropy(scores, classes, None, ignore) if entropy else overlap
        return params.cross_entropy * cross + (1 - params.cross_entropy) * overlap

    return loss


def _class_masks(
    scores: torch.Tensor, classes: torch.Tensor, ignore: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns probabilities and truth [B, classes, ...], both 0 where the class is ignored."""
    import torch

    shares = scores.softmax(1)
    counted = torch.ones_like(classes, dtype=torch.bool) if ignore is None else classes != ignore
    index = classes.where(counted, torch.zeros_like(classes))
    truth = torch.zeros_like(shares).scatter_(1, index.unsqueeze(1), 1.0)
    counted = counted.unsqueeze(1)
    return shares * counted, truth * counted


def _mean_ratio(shares: torch.Tensor, truth: torch.Tensor, ratio: Ratio) -> torch.Tensor:
    """Returns the mean score of the classes that occur; 1 if none occurs."""
    axes = [0, *range(2, shares.ndim)]
    shares = shares.float()  # sums of half-precision pixels lose digits
    overlap, area = (shares * truth).sum(axes), (shares + truth).sum(axes)
    occurs = truth.sum(axes) > 0
    scores = ratio(overlap, area)
    missing = ~occurs.any()
    return (scores * occurs).sum() / occurs.sum().clamp(min=1) + missing
