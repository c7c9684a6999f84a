"""Distillation of outputs (Hinton, Vinyals, Dean 2015, https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.distillation.base import TEMPERATURE_TEXT, DistillationParams, Lesson
from paretune.spaces.distillation.output_loss import weighted_output_loss

if TYPE_CHECKING:
    import torch


class Logits:
    """Learns the teacher's softened class probabilities together with the labels.

    Outputs that are no class scores are compared by their squared error.
    """

    version = 1

    class Params(DistillationParams):
        """Options of logits."""

        temperature: float = Field(4.0, gt=0, le=100, description=TEMPERATURE_TEXT)
        alpha: float = Field(
            0.5,
            ge=0,
            le=1,
            description="weight of the teacher's probabilities; the labels have 1 - alpha",
        )

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Returns (1 - alpha) * label loss + alpha * T^2 * KL(teacher || student), a scalar.

        `weighted_output_loss` says what replaces the second term in other tasks.
        """
        return softened_loss(lesson, params.alpha, params.temperature)


def softened_loss(lesson: Lesson, alpha: float, temperature: float) -> torch.Tensor:
    """Returns (1 - alpha) * label loss + alpha * loss of the outputs, a scalar.

    Args:
        lesson: The batch.
        alpha: Weight of the teacher, in [0, 1].
        temperature: T, above 0; softens both distributions of classes.
    """
    if alpha == 0:
        return lesson.label_loss
    soft = weighted_output_loss(lesson, alpha, temperature)
    return (1 - alpha) * lesson.label_loss + soft
