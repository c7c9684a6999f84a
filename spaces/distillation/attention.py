"""Attention transfer (Zagoruyko, Komodakis 2017, https://arxiv.org/abs/1612.03928)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.nests import Nest
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import Bridge, FeatureParams, Lesson
from paretune.spaces.distillation.logits import softened_loss
from paretune.spaces.distillation.pooling import pool_to_common_size

if TYPE_CHECKING:
    import torch


class AttentionTransfer:
    """Learns at which positions the teacher's features are strong (attention transfer)."""

    version = 1

    class Params(FeatureParams):
        """Options of attention.

        The paper's beta is 1000, for maps of 8x8 and more. The mean over fewer positions is larger,
        and beta 1000 would outweigh the labels.
        """

        beta: float = Field(
            100.0,
            ge=0,
            le=1e6,
            description="weight of the attention maps; small images need a smaller one",
        )

    @staticmethod
    def prepare(
        params: Params, student: torch.nn.Module, teacher: torch.nn.Module, example: Nest
    ) -> Bridge:
        """Returns the layer pairs, without adapters.

        Raises:
            InfeasibleCandidate: There is nothing to compare, or a layer has no positions.
        """
        from torch import nn

        from paretune.spaces.distillation.layer_pairs import match_layers

        pairs = match_layers(student, teacher, example, params)
        for pair in pairs:
            if len(pair.student_shape) == 2:
                raise InfeasibleCandidate(
                    "attention compares positions, and "
                    f"{pair.student} gives {list(pair.student_shape)}; "
                    "name layers that give [B, C, H, W] or [B, T, D]"
                )
        return Bridge(pairs, nn.ModuleList())

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Returns label loss + beta * sum over pairs of the squared difference of attention maps.

        The squared difference is a mean over images and positions, as in the authors' code. If
        alpha > 0, the loss of the outputs joins the label loss.
        """
        import torch

        differences = []
        for pair in zip(lesson.student_features, lesson.teacher_features, strict=True):
            maps = pool_to_common_size(*(attention_map(features) for features in pair))
            student, teacher = (unit_vectors(m) for m in maps)
            differences.append((student - teacher).square().mean())
        soft = softened_loss(lesson, params.alpha, params.temperature)
        return soft + params.beta * torch.stack(differences).sum()


def attention_map(features: torch.Tensor) -> torch.Tensor:
    """Returns mean squares over channels: [B, C, H, W] -> [B, 1, H, W], [B, T, D] -> [B, T, 1]."""
    return features.float().square().mean(1 if features.ndim == 4 else 2, keepdim=True)


def unit_vectors(maps: torch.Tensor) -> torch.Tensor:
    """Returns each image's map as a vector of length 1, [B, positions]."""
    from torch.nn import functional

    return functional.normalize(maps.flatten(1), dim=1)
