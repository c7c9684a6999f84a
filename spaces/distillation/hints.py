"""Hints between features (FitNets, Romero et al. 2015, https://arxiv.org/abs/1412.6550)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.distillation.base import Bridge, FeatureParams, LayerPair, Lesson
from paretune.spaces.distillation.logits import softened_loss

if TYPE_CHECKING:
    import torch


class Hints:
    """Learns the teacher's feature maps, through an adapter where widths differ (FitNets).

    The paper trains on one hint first and on the labels afterwards; here both are learnt together,
    as in most later comparisons. Where widths are equal there is no adapter.
    """

    version = 1

    class Params(FeatureParams):
        """Options of hints."""

        weight: float = Field(1.0, ge=0, le=1e4, description="of the features beside the labels")

    @staticmethod
    def prepare(
        params: Params, student: torch.nn.Module, teacher: torch.nn.Module, example: torch.Tensor
    ) -> Bridge:
        """The pairs of layers, with a 1x1 convolution or linear layer where widths differ.

        Raises:
            InfeasibleCandidate: There is nothing to compare.
        """
        from torch import nn

        from paretune.spaces.distillation.layer_pairs import matched

        pairs = matched(student, teacher, example, params)
        return Bridge(pairs, nn.ModuleList(_adapter(pair) for pair in pairs).to(example.device))

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Hard + weight * the mean over the pairs of `error`; hard is softened where alpha > 0."""
        import torch

        pairs = zip(lesson.student_features, lesson.teacher_features, lesson.adapters, strict=True)
        errors = [error(adapter(ours), theirs) for ours, theirs, adapter in pairs]
        soft = softened_loss(lesson, params.alpha, params.temperature)
        return soft + params.weight * torch.stack(errors).mean()


def error(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Squared error as a share of the teacher's mean square: 1 for a student that says nothing.

    So one weight suits every layer and teacher. Where the student's own mean square is larger the
    error is a share of that (as a constant), or a student of another scale would be thrown far off
    by its first steps. Where the sizes differ the larger features are pooled.

    Args:
        ours: [B, C, H, W], [B, T, D] or [B, D], of the teacher's width.
        theirs: As many dimensions.
    """
    import torch

    from paretune.spaces.distillation.layer_pairs import same_size

    ours, theirs = same_size(ours.float(), theirs.float())
    scale = torch.maximum(theirs.square().mean(), ours.detach().square().mean())
    return (ours - theirs).square().mean() / scale.clamp(min=1e-12)


def _adapter(pair: LayerPair) -> torch.nn.Module:
    from torch import nn

    if len(pair.student_shape) == 4:
        ours, theirs = pair.student_shape[1], pair.teacher_shape[1]
        return nn.Identity() if ours == theirs else nn.Conv2d(ours, theirs, 1)
    ours, theirs = pair.student_shape[-1], pair.teacher_shape[-1]
    return nn.Identity() if ours == theirs else nn.Linear(ours, theirs)
