"""Decoupled knowledge distillation (Zhao et al. 2022, https://arxiv.org/abs/2203.08679)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import TEMPERATURE_TEXT, DistillationParams, Lesson

if TYPE_CHECKING:
    import torch


class Decoupled:
    """Learns the teacher's confidence and its other class probabilities separately (DKD)."""

    version = 1
    targets: ClassVar[tuple[str, ...]] = ("class",)

    class Params(DistillationParams):
        """Options of decoupled.

        The paper's beta is 8 on CIFAR-100 (240 epochs, the first 20 with a rising weight) and 0.5
        on ImageNet. In a short training a large beta slows the student down.
        """

        alpha: float = Field(
            1.0, ge=0, le=1000, description="weight of the teacher's confidence in the label"
        )
        beta: float = Field(
            1.0,
            ge=0,
            le=1000,
            description="weight of the teacher's probabilities among the other classes",
        )
        temperature: float = Field(4.0, gt=0, le=100, description=TEMPERATURE_TEXT)

    @staticmethod
    def loss(params: Params, lesson: Lesson) -> torch.Tensor:
        """Returns label loss + T^2 (alpha TCKD + beta NCKD), a scalar.

        The official code has a warm-up, which this loss omits.

        Equation 5: with alpha = 1, and NCKD weighted by (1 - p) for each image, it is the ordinary
        KL(teacher || student). Here p is the teacher's probability of the label.

        Raises:
            InfeasibleCandidate: There is no single class for each example.
        """
        _check(lesson)
        target, others = tckd_and_nckd(lesson, params.temperature)
        soft = params.alpha * target.mean() + params.beta * others.mean()
        return lesson.label_loss + params.temperature**2 * soft


def _check(lesson: Lesson) -> None:
    scores, labels = lesson.student_logits, lesson.labels
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or labels.is_floating_point():
        raise InfeasibleCandidate(
            "decoupled needs one class for each example; the outputs are "
            f"{list(scores.shape)}, the targets {list(labels.shape)}; take the distillation logits"
        )


def tckd_and_nckd(lesson: Lesson, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns TCKD and NCKD of each image, [B] both.

    TCKD is the KL between the distributions of teacher and student over (label, not label).
    NCKD is the KL between their distributions over the other classes, each scaled to sum 1; it is 0
    if there are only two classes.
    """
    import torch
    from torch.nn import functional

    is_label = functional.one_hot(lesson.labels, lesson.student_logits.shape[1]).bool()
    binary, others = [], []
    for logits in (lesson.student_logits, lesson.teacher_logits):
        scaled = logits.float() / temperature
        total = scaled.logsumexp(dim=1)
        other = scaled[~is_label].reshape(len(scaled), -1)  # [B, classes - 1]
        # As logarithms: 1 - p would lose all digits if the network is sure.
        halves = [scaled[is_label] - total, other.logsumexp(dim=1) - total]
        binary.append(torch.stack(halves, dim=1))
        others.append(functional.log_softmax(other, dim=1))
    return _divergence(*binary), _divergence(*others)


def _divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Returns KL(teacher || student) of each row of log probabilities, [B]."""
    return (teacher.exp() * (teacher - student)).sum(dim=1)
