"""Binary cross-entropy of each label."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest
from paretune.spaces.base import Data, InfeasibleCandidate
from paretune.spaces.params import Params as BaseParams
from paretune.spaces.training.losses.base import (
    LossFunction,
    classes_second,
    same_shapes,
    single_tensors,
)

if TYPE_CHECKING:
    import torch


class Bce:
    """Binary cross-entropy of each label, from logits.

    For classes it asks each class on its own whether it is the right one (Wightman et al. 2021,
    https://arxiv.org/abs/2110.00476).
    """

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("labels", "class")

    class Params(BaseParams):
        """Options of bce."""

        pos_weight: float | list[float] | None = Field(
            None,
            description="factor of the loss where a label is 1: one number, or one for each label",
        )

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the mean binary cross-entropy over examples and labels.

        Raises:
            InfeasibleCandidate: `pos_weight` does not fit the labels.
        """
        import torch

        weight = params.pos_weight
        if isinstance(weight, list) and len(weight) != data.task.outputs.size:
            raise InfeasibleCandidate(
                f"pos_weight of bce has {len(weight)} weights, and the task has "
                f"{data.task.outputs.size} labels; give one for each label, or one number"
            )
        factors = None if weight is None else torch.tensor(weight)

        def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
            if data.task.targets == "class":
                targets = _one_hot(outputs, targets)
            return binary_cross_entropy(*same_shapes("bce", outputs, targets), factors)

        return loss


def _one_hot(outputs: Nest, targets: Nest) -> torch.Tensor:
    from torch.nn import functional

    scores, classes = single_tensors("bce", outputs, targets)
    scores = classes_second(scores, classes, "example")
    return functional.one_hot(classes.long(), scores.shape[1]).to(scores.dtype)


def binary_cross_entropy(
    scores: torch.Tensor, labels: torch.Tensor, factors: torch.Tensor | None
) -> torch.Tensor:
    """Returns the mean over all labels.

    Args:
        scores: Logits [B, labels, ...].
        labels: In [0, 1], of the same shape.
        factors: Weight of the positive answers, one number or one for each label; or None.
    """
    from torch.nn import functional

    if factors is not None:
        factors = factors.to(scores.device, scores.dtype)
        factors = factors.reshape(-1, *[1] * (scores.ndim - 2)) if factors.ndim else factors
    return functional.binary_cross_entropy_with_logits(scores, labels, pos_weight=factors)
