"""The losses of built-in tasks: those that a recipe may name, and 0 where nothing counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.search.tasks import TASKS
from paretune.search.tasks.target_facts import TargetFacts
from paretune.spaces.training.losses import LOSSES
from support.tasks import ToyTaskData

SIZE = 3


def made(name: str, **params: Any) -> Any:
    entry = TASKS.get(name)
    return entry.make(entry.Params(**params), TargetFacts(entry.targets, SIZE))


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "params", "loss", "outputs", "targets"),
    [
        ("classification", {}, "cross_entropy", drawn(6, 3), torch.arange(6) % 3),
        ("multilabel", {}, "bce", drawn(6, 3), (drawn(6, 3) > 0).float()),
        ("regression", {}, "mse", drawn(6, 3), drawn(6, 3) + 1),
        (
            "segmentation",
            {},
            "cross_entropy",
            drawn(2, 3, 4, 4),
            torch.arange(32).reshape(2, 4, 4) % 3,
        ),
        (
            "segmentation",
            {"ignore": 2},
            "cross_entropy",
            drawn(2, 3, 4, 4),
            torch.arange(32).reshape(2, 4, 4) % 3,
        ),
        ("language_model", {}, "cross_entropy", drawn(2, 5, 3), torch.arange(10).reshape(2, 5) % 3),
    ],
)
def test_task_s_own_loss_is_that_of_the_recipe_s_default(
    name: str, params: dict[str, Any], loss: str, outputs: torch.Tensor, targets: torch.Tensor
) -> None:
    task = made(name, **params)
    entry = LOSSES.get(loss)
    data = ToyTaskData(task, (4,), torch.zeros(len(targets), 4), targets)
    expected = entry.build(entry.Params(), data)(outputs, targets)
    torch.testing.assert_close(task.loss(outputs, targets), expected)


def test_masks_of_ignored_pixels_have_no_loss_and_no_gradient() -> None:
    outputs = drawn(2, 3, 4, 4).requires_grad_()
    loss = made("segmentation", ignore=2).loss(outputs, torch.full((2, 4, 4), 2))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert outputs.grad is not None
    assert float(outputs.grad.abs().max()) == 0.0


def test_texts_of_padding_have_no_loss_and_no_gradient() -> None:
    outputs = drawn(2, 5, 3).requires_grad_()
    loss = made("language_model").loss(outputs, torch.zeros(2, 5, dtype=torch.int64))
    loss.backward()
    assert float(loss.detach()) == 0 and outputs.grad is not None and not outputs.grad.any()
