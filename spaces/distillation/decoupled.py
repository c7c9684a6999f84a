"""Decoupled knowledge distillation (Zhao et al. 2022, https://arxiv.org/abs/2203.08679)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.distillation.base import DistillationParams, Lesson

if TYPE_CHECKING:
    import torch


class Decoupled:
    """Learns apart how sure the teacher is, and what it thinks of the other classes (DKD)."""

    version = 1

    class Params(DistillationParams):
        """Options of decoupled.

        The paper's beta is 8 on CIFAR-100 (240 epochs, the first 20 with a rising weight) and 0.5
        on ImageNet; in a short training a large one holds the student up.
        """

        alpha: float = Field(
            1.0, ge=0, le=1000, description="weight of how sure the teacher is of the label"
        )
        beta: float = Field(
            1.0, ge=0, le=1000, description="weight of its opinion about the other classes"
        )
        temperature: float = Field(4.0, gt=0, le=100, description="softens both distributions")

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Hard + T^2 (alpha TCKD + beta NCKD), a scalar; without the official code's warm-up.

        With alpha = 1 and the weight of an image's NCKD set to (1 - p), where p is the teacher's
        probability of the label, it is the ordinary KL(teacher || student) (equation 5).
        """
        target, others = parts(lesson, params.temperature)
        soft = params.alpha * target.mean() + params.beta * others.mean()
        return lesson.label_loss + params.temperature**2 * soft


def parts(lesson: Lesson, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """TCKD and NCKD of each image, [B] both.

    TCKD: KL between the teacher's and the student's (label, not label). NCKD: KL between their
    distributions over the other classes, each summing to one; 0 where there are but two classes.
    """
    import torch
    from torch.nn import functional

    wanted = functional.one_hot(lesson.labels, lesson.student_logits.shape[1]).bool()
    binary, among = [], []
    for logits in (lesson.student_logits, lesson.teacher_logits):
        scaled = logits.float() / temperature
        whole = scaled.logsumexp(dim=1)
        other = scaled[~wanted].reshape(len(scaled), -1)  # [B, classes - 1]
        # As logarithms: 1 - p would lose all digits where the network is sure.
        halves = [scaled[wanted] - whole, other.logsumexp(dim=1) - whole]
        binary.append(torch.stack(halves, dim=1))
        among.append(functional.log_softmax(other, dim=1))
    return _divergence(*binary), _divergence(*among)


def _divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL(teacher || student) of each row of log probabilities, [B]."""
    return (teacher.exp() * (teacher - student)).sum(dim=1)
