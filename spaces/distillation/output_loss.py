"""The loss of a student's outputs against those of its teacher, for any task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.nests import Nest, leaves, named_leaves
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import Comparison, Lesson
from paretune.task import Per

if TYPE_CHECKING:
    import torch


def weighted_output_loss(lesson: Lesson, weight: float, temperature: float) -> torch.Tensor:
    """Returns weight * the loss of the outputs, a scalar.

    That is the task's own `distill` if it gives one. Else it is T^2 * KL(teacher || student) for
    class scores, as a mean over their vectors, and the mean squared error for other outputs. The
    factor T^2 keeps the gradients at the same scale for every temperature.

    Args:
        lesson: The batch.
        weight: Weight of the teacher.
        temperature: T, above 0; softens both distributions of classes.

    Raises:
        InfeasibleCandidate: The outputs have different forms, or `distill` gives no scalar.
    """
    comparison = lesson.comparison
    loss = comparison.distill(lesson.student, lesson.teacher, lesson.targets)
    if loss is not None:
        return weight * _scalar(loss)
    check_same_form(lesson.student, lesson.teacher)
    if comparison.class_scores:
        return weight * temperature**2 * _divergence(lesson, comparison, temperature)
    return weight * squared_error(lesson.student, lesson.teacher)


def check_same_form(student: Nest, teacher: Nest) -> None:
    """Refuses outputs of different names or shapes.

    Raises:
        InfeasibleCandidate: They differ; the text has both forms.
    """
    forms = [
        {name: tuple(getattr(leaf, "shape", ())) for name, leaf in named_leaves(nest).items()}
        for nest in (student, teacher)
    ]
    if forms[0] != forms[1]:
        raise InfeasibleCandidate(
            f"the teacher gives {_form_text(forms[1])}, the candidate {_form_text(forms[0])}: "
            "their outputs cannot be compared; take another teacher, or write the task's `distill`"
        )


def squared_error(student: Nest, teacher: Nest) -> torch.Tensor:
    """Returns the mean over the floating outputs of each one's mean squared error."""
    import torch
    from torch.nn import functional

    pairs = zip(leaves(student), leaves(teacher), strict=True)
    errors = [
        functional.mse_loss(learned.float(), taught.float())
        for learned, taught in pairs
        if isinstance(learned, torch.Tensor) and learned.is_floating_point()
    ]
    if not errors:
        raise InfeasibleCandidate(
            "the network gives no floating output to compare with a teacher's"
        )
    return torch.stack(errors).mean()


def vectors(scores: torch.Tensor, per: Per) -> torch.Tensor:
    """Returns scores [B, C], [B, C, ...] or [B, ..., C] as rows [N, C]."""
    if scores.ndim == 2:
        return scores
    return (scores if per == "position" else scores.movedim(1, -1)).flatten(0, -2)


def _divergence(lesson: Lesson, comparison: Comparison, temperature: float) -> torch.Tensor:
    """Returns the mean over the vectors that count of KL(teacher || student)."""
    from torch.nn import functional

    student, teacher = (
        vectors(scores, comparison.per) for scores in (lesson.student_logits, lesson.teacher_logits)
    )
    if comparison.ignore is not None:
        counted = leaves(lesson.targets)[0].flatten() != comparison.ignore
        student, teacher = student[counted], teacher[counted]
        if not len(student):
            return student.sum()
    return functional.kl_div(
        functional.log_softmax(student / temperature, dim=1),
        functional.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def _scalar(loss: torch.Tensor) -> torch.Tensor:
    import torch

    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        came = list(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise InfeasibleCandidate(
            f"the task's `distill` gave {came}; return a scalar tensor, or None for the default"
        )
    return loss.reshape(())


def _form_text(form: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}".lstrip() for name, shape in form.items()) or "nothing"
