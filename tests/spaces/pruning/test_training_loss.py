"""The evidence of pruning: the task's loss on training examples, and its gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.inputs import Input, Signature
from paretune.spaces.base import Context
from paretune.spaces.pruning.training_loss import batches, gradients, mean_loss
from paretune.task import Outputs
from support.tasks import ToyTask, ToyTaskData, classification

COUNT = 150
"""More examples than one batch of the evidence has."""


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def values(loader_batch: int | None = None) -> ToyTaskData:
    task = ToyTask("regression", Outputs(2), "values")
    return ToyTaskData(task, (4,), drawn(COUNT, 4), drawn(COUNT, 2, seed=1), loader_batch)


@pytest.mark.parametrize("loader_batch", [None, 40])
def test_mean_loss_is_that_of_the_task_over_all_examples(loader_batch: int | None) -> None:
    data, model = values(loader_batch), nn.Linear(4, 2)
    expected = functional.mse_loss(model(drawn(COUNT, 4)), drawn(COUNT, 2, seed=1))
    result = mean_loss(model, Context(data), COUNT)
    assert result == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize("loader_batch", [None, 40])
def test_gradient_is_that_of_the_task_s_mean_loss(loader_batch: int | None) -> None:
    data, model = values(loader_batch), nn.Linear(4, 2)
    result = gradients(model, Context(data), COUNT, squared=False)
    model.zero_grad()
    functional.mse_loss(model(drawn(COUNT, 4)), drawn(COUNT, 2, seed=1)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(result[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_squares_are_those_of_single_examples() -> None:
    data, model = values(), nn.Linear(4, 2)
    result = gradients(model, Context(data), COUNT, squared=True)
    errors = (2 * (model(drawn(COUNT, 4)) - drawn(COUNT, 2, seed=1)) / 2).detach()
    torch.testing.assert_close(result["bias"], errors.square().mean(0), rtol=1e-4, atol=1e-6)


def test_evidence_ends_after_the_wanted_examples() -> None:
    sizes = [len(x) for x, _ in batches(Context(values()), 70, 32)]
    assert sizes == [32, 32, 6]
    whole = [len(x) for x, _ in batches(Context(values(loader_batch=32)), 70, 128)]
    assert whole == [32, 32, 32]  # targets of a loader may be lists for the whole batch


def test_several_inputs_and_lists_of_targets_are_cut_alike() -> None:
    inputs = {"a": drawn(6, 2), "b": drawn(6, 3)}
    targets = [{"boxes": torch.full((i, 4), float(i))} for i in range(6)]
    data: Any = ToyTaskData(
        ToyTask(), Signature((Input("a", (2,)), Input("b", (3,))), "dict"), inputs, drawn(6)
    )
    data.batches = lambda *a, **k: iter([(inputs, targets)])
    [(first, boxes)] = batches(Context(data), 4, 8)
    assert {name: len(x) for name, x in first.items()} == {"a": 4, "b": 4}
    assert [len(each["boxes"]) for each in boxes] == [0, 1, 2, 3]


def test_classification_keeps_its_summed_cross_entropy() -> None:
    labels = torch.arange(COUNT) % 3
    data, model = ToyTaskData(classification(3), (4,), drawn(COUNT, 4), labels), nn.Linear(4, 3)
    total = 0.0
    with torch.no_grad():
        for inputs, targets in data.batches("train", 128, seed=0):
            total += float(functional.cross_entropy(model(inputs), targets, reduction="sum"))
    assert mean_loss(model, Context(data), COUNT) == total / COUNT
