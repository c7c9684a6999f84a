"""Distillation of logits (Hinton, Vinyals, Dean 2015, https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.distillation.base import TEMPERATURE_TEXT, DistillationParams, Lesson

if TYPE_CHECKING:
    import torch


class Logits:
    """Learns the teacher's softened class probabilities together with the labels."""

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
        """Returns (1 - alpha) * label loss + alpha * T^2 * KL(teacher || student), a scalar."""
        return softened_loss(lesson, params.alpha, params.temperature)


def softened_loss(lesson: Lesson, alpha: float, temperature: float) -> torch.Tensor:
    """Returns (1 - alpha) * label loss + alpha * T^2 * KL(teacher || student), a scalar.

    The factor T^2 keeps the gradients of the soft loss at the same scale for every temperature.

    Args:
        lesson: The batch.
        alpha: Weight of the teacher, in [0, 1].
        temperature: T, above 0; softens both distributions.
    """
    from torch.nn import functional

    if alpha == 0:
        return lesson.label_loss
    soft = functional.kl_div(
        functional.log_softmax(lesson.student_logits / temperature, dim=1),
        functional.log_softmax(lesson.teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - alpha) * lesson.label_loss + alpha * temperature**2 * soft
