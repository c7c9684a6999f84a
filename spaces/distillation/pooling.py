"""Pools the features of two networks to one size, so that they can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pool_to_common_size(
    student: torch.Tensor, teacher: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pools both to the smaller size on each axis: H and W of [B, C, H, W], T of [B, T, D].

    Features [B, D] stay as they are.
    """
    from torch.nn import functional

    if student.ndim == 2 or (student.shape[:-1] == teacher.shape[:-1] and student.ndim == 3):
        return student, teacher
    if student.ndim == 3:
        length = min(student.shape[1], teacher.shape[1])
        pooled_student, pooled_teacher = (
            functional.adaptive_avg_pool1d(tokens.transpose(1, 2), length).transpose(1, 2)
            for tokens in (student, teacher)
        )
        return pooled_student, pooled_teacher
    if student.shape[2:] == teacher.shape[2:]:
        return student, teacher
    size = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
    return (
        functional.adaptive_avg_pool2d(student, size),
        functional.adaptive_avg_pool2d(teacher, size),
    )
