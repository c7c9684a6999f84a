"""Attention transfer (Zagoruyko, Komodakis 2017, https://arxiv.org/abs/1612.03928)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import Bridge, FeatureParams, Lesson
from paretune.spaces.distillation.logits import softened_loss

if TYPE_CHECKING:
    import torch


class AttentionTransfer:
    """Learns where the teacher's features are strong, whatever their width (attention transfer)."""

    version = 1

    class Params(FeatureParams):
        """Options of attention.

        The paper's beta is 1000, for maps of 8x8 and more; the mean over fewer positions is larger,
        and so many would leave nothing of the labels.
        """

        beta: float = Field(
            100.0, ge=0, le=1e6, description="weight of the attention maps; less for small images"
        )

    @staticmethod
    def prepare(
        params: Params, student: torch.nn.Module, teacher: torch.nn.Module, example: torch.Tensor
    ) -> Bridge:
        """The pairs of layers; nothing is learnt in between.

        Raises:
            InfeasibleCandidate: There is nothing to compare, or a layer has no positions.
        """
        from torch import nn

        from paretune.spaces.distillation.layer_pairs import matched

        pairs = matched(student, teacher, example, params)
        for pair in pairs:
            if len(pair.student_shape) == 2:
                raise InfeasibleCandidate(
                    f"attention compares positions, and {pair.student} gives {list(pair.student_shape)}; "
                    "name layers that give [B, C, H, W] or [B, T, D]"
                )
        return Bridge(pairs, nn.ModuleList())

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Hard + beta * the sum over the pairs of the mean squared difference of attention maps.

        The mean is over images and positions, as in the authors' code. Hard is softened where
        alpha > 0.
        """
        import torch

        from paretune.spaces.distillation.layer_pairs import same_size

        differences = []
        for ours, theirs in zip(lesson.student_features, lesson.teacher_features, strict=True):
            maps = same_size(strength(ours), strength(theirs))
            one, other = (normalized(m) for m in maps)
            differences.append((one - other).square().mean())
        soft = softened_loss(lesson, params.alpha, params.temperature)
        return soft + params.beta * torch.stack(differences).sum()


def strength(features: torch.Tensor) -> torch.Tensor:
    """Mean square over the channels: [B, C, H, W] -> [B, 1, H, W], [B, T, D] -> [B, T, 1]."""
    return features.float().square().mean(1 if features.ndim == 4 else 2, keepdim=True)


def normalized(maps: torch.Tensor) -> torch.Tensor:
    """Each image's map as a vector of length 1, [B, positions]."""
    from torch.nn import functional

    return functional.normalize(maps.flatten(1), dim=1)
