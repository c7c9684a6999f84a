"""Hints between features (FitNets, Romero et al. 2015, https://arxiv.org/abs/1412.6550)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.nests import Nest, leaves
from paretune.spaces.distillation.base import Bridge, FeatureParams, LayerPair, Lesson
from paretune.spaces.distillation.logits import softened_loss
from paretune.spaces.distillation.pooling import pool_to_common_size

if TYPE_CHECKING:
    import torch


class Hints:
    """Learns the teacher's feature maps, through an adapter if widths differ (FitNets).

    The paper trains on one hint first and on the labels afterwards. Here the network learns both
    together, as in most later comparisons. If widths are equal, there is no adapter.
    """

    version = 1

    class Params(FeatureParams):
        """Options of hints."""

        weight: float = Field(
            1.0,
            ge=0,
            le=1e4,
            description="weight of the feature loss, which is added to the label loss",
        )

    @staticmethod
    def prepare(
        params: Params, student: torch.nn.Module, teacher: torch.nn.Module, example: Nest
    ) -> Bridge:
        """Returns the layer pairs, with a 1x1 convolution or linear layer if widths differ.

        Raises:
            InfeasibleCandidate: There is nothing to compare.
        """
        from torch import nn

        from paretune.spaces.distillation.layer_pairs import match_layers

        pairs = match_layers(student, teacher, example, params)
        return Bridge(
            pairs, nn.ModuleList(_adapter(pair) for pair in pairs).to(leaves(example)[0].device)
        )

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Returns label loss + weight * mean of `relative_error` over the pairs.

        If alpha > 0, the loss of the outputs joins the label loss.
        """
        import torch

        pairs = zip(lesson.student_features, lesson.teacher_features, lesson.adapters, strict=True)
        errors = [relative_error(adapter(student), teacher) for student, teacher, adapter in pairs]
        soft = softened_loss(lesson, params.alpha, params.temperature)
        return soft + params.weight * torch.stack(errors).mean()


def relative_error(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Returns the squared error as a share of the teacher's mean square, 1 if the student gives 0.

    So one weight suits every layer and teacher. If the student's own mean square is larger, the
    error is a share of that (as a constant); otherwise the first steps of a student of another
    scale would be far too large. If the sizes differ, the larger features are pooled.

    Args:
        student: [B, C, H, W], [B, T, D] or [B, D], of the teacher's width.
        teacher: Features with as many dimensions.
    """
    import torch

    student, teacher = pool_to_common_size(student.float(), teacher.float())
    scale = torch.maximum(teacher.square().mean(), student.detach().square().mean())
    return (student - teacher).square().mean() / scale.clamp(min=1e-12)


def _adapter(pair: LayerPair) -> torch.nn.Module:
    from torch import nn

    if len(pair.student_shape) == 4:
        student, teacher = pair.student_shape[1], pair.teacher_shape[1]
        return nn.Identity() if student == teacher else nn.Conv2d(student, teacher, 1)
    student, teacher = pair.student_shape[-1], pair.teacher_shape[-1]
    return nn.Identity() if student == teacher else nn.Linear(student, teacher)
