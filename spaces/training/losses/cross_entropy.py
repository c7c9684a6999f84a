"""Cross-entropy of class scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest
from paretune.spaces.base import Data
from paretune.spaces.params import Params
from paretune.spaces.training.losses.base import (
    SCORED,
    LossFunction,
    ignored_class,
    scores_and_classes,
)
from paretune.spaces.training.losses.class_weights import WEIGHTS_TEXT, ClassWeights, weights_of

if TYPE_CHECKING:
    import torch

IGNORE_TEXT = "class that does not count; default: the one that the task ignores"


class ScoreParams(Params):
    """Options of every loss of class scores."""

    class_weights: ClassWeights = Field(None, min_length=1, description=WEIGHTS_TEXT)
    ignore: int | None = Field(None, description=IGNORE_TEXT)


class CrossEntropy:
    """Cross-entropy of class scores, with weights of the classes."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = SCORED

    class Params(ScoreParams):
        """Options of cross_entropy."""

        label_smoothing: float = Field(
            0.0, ge=0, lt=1, description="share of each label that is spread over all classes"
        )

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the mean cross-entropy, weighted by the classes of the targets.

        Raises:
            InfeasibleCandidate: The class weights do not fit.
        """
        ignore, per = ignored_class(params, data), data.task.outputs.per
        weights = weights_of("cross_entropy", params.class_weights, data, ignore)

        def loss(outputs: Nest, targets: Nest) -> torch.Tensor:
            pair = scores_and_classes("cross_entropy", outputs, targets, per)
            return cross_entropy(*pair, weights, ignore, params.label_smoothing)

        return loss


def cross_entropy(
    scores: torch.Tensor,
    classes: torch.Tensor,
    weights: torch.Tensor | None,
    ignore: int | None,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Returns the mean over the classes that count; 0 if none counts, where torch gives NaN.

    Args:
        scores: Logits [B, classes, ...].
        classes: Classes int64 [B, ...].
        weights: Weight of each class, or None.
        ignore: Class that does not count, or None.
        smoothing: Share of each label that is spread over all classes.
    """
    from torch.nn import functional

    weights = weights if weights is None else weights.to(scores.device, scores.dtype)
    if ignore is None:
        return functional.cross_entropy(scores, classes, weights, label_smoothing=smoothing)
    total = functional.cross_entropy(
        scores, classes, weights, ignore_index=ignore, label_smoothing=smoothing, reduction="sum"
    )
    counted = classes != ignore
    count = counted.sum() if weights is None else weights[classes[counted]].sum()
    return total / count.clamp(min=1e-12)
