"""Features of different sizes are pooled to one size."""

from __future__ import annotations

import torch

from paretune.spaces.distillation.pooling import pool_to_common_size


def test_feature_maps_are_pooled_to_the_smaller_size_on_each_axis() -> None:
    student, teacher = pool_to_common_size(torch.rand(2, 3, 4, 8), torch.rand(2, 5, 6, 2))
    assert (student.shape, teacher.shape) == ((2, 3, 4, 2), (2, 5, 4, 2))


def test_tokens_are_pooled_to_the_shorter_text() -> None:
    student, teacher = pool_to_common_size(torch.rand(2, 9, 3), torch.rand(2, 5, 7))
    assert (student.shape, teacher.shape) == ((2, 5, 3), (2, 5, 7))
