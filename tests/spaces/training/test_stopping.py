"""Early end: what counts as improvement, which loss is monitored, which weights are returned."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, Data, EpochEnd
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.stopping import Monitor, epochs_without_improvement, validation_loss


def linear(data: Data) -> Candidate:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape), data.classes))
    return Candidate(model.eval(), data.shape, data.classes)


def trained(candidate: Candidate, data: Data, **fields: Any) -> tuple[Candidate, list[EpochEnd]]:
    events: list[EpochEnd] = []
    recipe = Recipe.model_validate({"batch_size": 8, **fields})
    made = train(candidate, recipe, Context(data, report=events.append), stage="pretrain")
    return made, events


@pytest.mark.parametrize(
    ("losses", "min_delta", "expected"),
    [
        ([], 0.0, 0),
        ([3.0], 0.0, 0),
        ([3.0, 2.0, 1.0], 0.0, 0),
        ([3.0, 3.0, 3.0], 0.0, 2),
        ([1.0, 2.0, 1.5, 1.2], 0.0, 3),
        ([3.0, 2.9, 2.8, 2.7], 0.5, 3),
        ([3.0, 2.8, 2.6, 2.4], 0.5, 0),
        ([3.0, math.nan], 0.0, 1),
    ],
)
def test_epochs_without_improvement_are_counted(
    losses: list[float], min_delta: float, expected: int
) -> None:
    assert epochs_without_improvement(losses, min_delta) == expected


@pytest.mark.parametrize("monitor", ["training", "validation"])
def test_training_ends_when_the_loss_stays_and_info_has_the_reason(
    data: Data, monitor: str
) -> None:
    made, events = trained(
        linear(data),
        data,
        epochs=50,
        monitor=monitor,
        early_stop={"patience": 3, "min_delta": 0.01},
        optimizer={"sgd": {"lr": 1e-9}},
    )
    info = made.history[-1].info
    assert len(events) == info["epochs"] == 4
    assert info["stopped"] == f"{monitor} loss has not improved for 3 epochs"


def test_training_goes_on_while_the_loss_falls(data: Data) -> None:
    made, events = trained(
        linear(data), data, epochs=6, early_stop={"patience": 1}, optimizer={"sgd": {"lr": 0.01}}
    )
    assert len(events) == made.history[-1].info["epochs"] == 6
    assert "stopped" not in made.history[-1].info


def test_validation_loss_is_the_mean_over_the_validation_part(data: Data) -> None:
    model = linear(data).model
    images, labels = next(iter(data.batches("validation", 1000)))
    with torch.no_grad():
        expected = float(functional.cross_entropy(model(images), labels))
    loss = BatchLoss(data, None)
    assert validation_loss(model, Context(data), loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("best", "expected"), [(True, 2.0), (False, 3.0)])
def test_weights_of_the_best_epoch_are_restored_when_best_is_true(
    context: Context, best: bool, expected: float
) -> None:
    recipe = Recipe.model_validate({"epochs": 9, "early_stop": {"patience": 9, "best": best}})
    monitor, model = Monitor(recipe, context), nn.Linear(1, 1)
    for loss, weight in ((0.5, 1.0), (0.1, 2.0), (0.3, 3.0)):
        nn.init.constant_(model.weight, weight)
        monitor.observe(loss, model)
    monitor.restore(model)
    assert float(model.weight.detach()) == expected


def test_mean_of_the_weights_is_monitored_and_returned(data: Data) -> None:
    made, _ = trained(
        linear(data),
        data,
        epochs=4,
        ema=0.99,
        monitor="validation",
        early_stop={"patience": 9, "best": True},
        optimizer={"sgd": {"lr": 0.05}},
    )
    plain, _ = trained(linear(data), data, epochs=4, ema=0.99, optimizer={"sgd": {"lr": 0.05}})
    for one, other in zip(made.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)  # the last epoch was the best one
