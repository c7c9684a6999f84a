"""Focal loss (Lin et al. 2017, https://arxiv.org/abs/1708.02002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest, leaves
from paretune.spaces.base import Data
from paretune.spaces.training.losses.base import (
    SCORED,
    LossFunction,
    ignored_class,
    same_shapes,
    scores_and_classes,
)
from paretune.spaces.training.losses.class_weights import weights_of
from paretune.spaces.training.losses.cross_entropy import ScoreParams

if TYPE_CHECKING:
    import torch


class Focal:
    """Cross-entropy that counts examples less the surer the network is of them (focal loss).

    Classes take the softmax of their scores, labels the sigmoid. With gamma 0 and no weights it is
    cross_entropy, or bce for labels.
    """

    version = 1
    targets: ClassVar[tuple[str, ...]] = (*SCORED, "labels")

    class Params(ScoreParams):
        """Options of focal."""

        gamma: float = Field(
            2.0, ge=0, le=20, description="exponent: the larger, the less sure examples count"
        )

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the mean of (1 - p)^gamma * -log p, weighted by the classes of the targets.

        Here p is the probability of the right class, or of the right answer for a label.

        Raises:
            InfeasibleCandidate: The class weights do not fit.
        """
        ignore, per = ignored_class(params, data), data.task.outputs.per
        weights = weights_of("focal", params.class_weights, data, ignore)

        def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
            if is_multi_label(data, targets):
                pair = same_shapes("focal", outputs, targets)
                return label_focal(*pair, params.gamma, weights)
            pair = scores_and_classes("focal", outputs, targets, per)
            return class_focal(*pair, params.gamma, weights, ignore)

        return loss


def is_multi_label(data: Data, targets: Nest) -> bool:
    """Returns whether each class is a question of its own; floats tell it for a user's task."""
    kind = data.task.targets
    return kind == "labels" or (kind is None and leaves(targets)[0].is_floating_point())


def class_focal(
    scores: torch.Tensor,
    classes: torch.Tensor,
    gamma: float,
    weights: torch.Tensor | None,
    ignore: int | None,
) -> torch.Tensor:
    """Returns sum(w * (1 - p)^gamma * -log p) / sum(w) over the classes that count.

    Args:
        scores: Logits [B, classes, ...].
        classes: Classes int64 [B, ...].
        gamma: Exponent, at least 0.
        weights: Weight w of each class, or None for 1.
        ignore: Class that does not count, or None.
    """
    import torch

    counted = torch.ones_like(classes, dtype=torch.bool) if ignore is None else classes != ignore
    index = classes.where(counted, torch.zeros_like(classes))
    logs = scores.log_softmax(1).gather(1, index.unsqueeze(1)).squeeze(1)
    weight = counted.to(scores.dtype)
    if weights is not None:
        weight = weight * weights.to(scores.device, scores.dtype)[index]
    # 1 - p of a sure network is 0, whose power has no gradient for gamma below 1.
    easy = (-torch.expm1(logs)).clamp(min=1e-12) ** gamma
    return (weight * easy * -logs).sum() / weight.sum().clamp(min=1e-12)


def label_focal(
    scores: torch.Tensor, labels: torch.Tensor, gamma: float, weights: torch.Tensor | None
) -> torch.Tensor:
    """Returns the mean over all labels, each weighted by its class.

    Args:
        scores: Logits [B, labels, ...].
        labels: 0 or 1, of the same shape.
        gamma: Exponent, at least 0.
        weights: Weight of each label, or None for 1.
    """
    from torch.nn import functional

    cross = functional.binary_cross_entropy_with_logits(scores, labels, reduction="none")
    sure = scores.sigmoid()
    right = sure * labels + (1 - sure) * (1 - labels)
    losses = (1 - right).clamp(min=1e-12) ** gamma * cross
    if weights is None:
        return losses.mean()
    weight = weights.to(scores.device, scores.dtype).reshape(-1, *[1] * (scores.ndim - 2))
    weight = weight.expand_as(losses)
    return (weight * losses).sum() / weight.sum().clamp(min=1e-12)
