"""Frozen trunk: only the classifier learns in the first epochs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.freezing import head_of
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe


@pytest.fixture
def resnet(context: Context) -> Candidate:
    """A network with BatchNorm statistics, which could change."""
    architecture = {"resnet": {"stages": 2, "blocks": 1, "width": 8}}
    return initial_candidate(architecture, context.data.shape, context.data.classes, seed=0)


def changed(candidate: Candidate, context: Context, **fields: Any) -> set[str]:
    """Returns the names of the tensors that training changes."""
    recipe = Recipe.model_validate({"epochs": 2, "batch_size": 8, "optimizer": "sgd", **fields})
    before = copy.deepcopy(candidate.model.state_dict())
    made = train(candidate, recipe, context, stage="pretrain")
    assert all(p.requires_grad for p in made.model.parameters())
    return {name for name, t in made.model.state_dict().items() if not torch.equal(t, before[name])}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", {"adamw": {"weight_decay": 0.5}}, "rmsprop"])
def test_frozen_epochs_train_only_the_classifier_and_keep_statistics(
    resnet: Candidate, context: Context, optimizer: Any
) -> None:
    names = changed(resnet, context, freeze_epochs=2, optimizer=optimizer)
    head = head_of(resnet.model, resnet.outputs.size)
    [name] = [name for name, layer in resnet.model.named_modules() if layer is head]
    assert names == {f"{name}.weight", f"{name}.bias"}


def test_all_layers_learn_after_the_frozen_epochs(resnet: Candidate, context: Context) -> None:
    assert changed(resnet, context, freeze_epochs=1) == set(resnet.model.state_dict())


def test_weights_that_were_frozen_before_stay_frozen(resnet: Candidate, context: Context) -> None:
    first, parameter = next(iter(resnet.model.named_parameters()))
    parameter.requires_grad_(False)
    recipe = Recipe(epochs=2, batch_size=8, freeze_epochs=1)
    made = train(resnet, recipe, context, stage="pretrain").model
    assert torch.equal(dict(made.named_parameters())[first], parameter)
    assert [n for n, p in made.named_parameters() if not p.requires_grad] == [first]


def test_trunk_trains_with_its_share_of_the_rate(context: Context) -> None:
    """In one step of SGD the trunk changes a tenth as much as at the full rate."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 3)).eval()
    candidate = Candidate(model, context.data.shape, 3)

    def moved(trunk_lr: float) -> list[torch.Tensor]:
        sgd = {"sgd": {"lr": 0.5, "momentum": 0.0}}
        recipe = Recipe.model_validate(
            {"epochs": 1, "batch_size": 24, "optimizer": sgd, "trunk_lr": trunk_lr}
        )
        made = train(candidate, recipe, context, stage="pretrain").model
        return [made[i].weight.detach() - model[i].weight.detach() for i in (1, 3)]

    (trunk, head), (slow, same) = moved(1.0), moved(0.1)
    torch.testing.assert_close(slow, 0.1 * trunk, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(same, head, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Sequential(nn.Linear(8, 3), nn.Linear(3, 3), nn.ReLU()), 1),
        (nn.Sequential(nn.Linear(8, 3), nn.Linear(3, 9)), 0),
        (nn.Sequential(nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), 0),
    ],
)
def test_head_is_the_last_layer_with_an_output_for_each_class(
    model: nn.Sequential, expected: int
) -> None:
    assert head_of(model, 3) is model[expected]


@pytest.mark.parametrize("fields", [{"freeze_epochs": 1}, {"trunk_lr": 0.5}])
def test_network_without_a_classifier_is_infeasible(
    context: Context, fields: dict[str, Any]
) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Bilinear(1, 1, 1))
    recipe = Recipe.model_validate({"epochs": 1, **fields})
    with pytest.raises(InfeasibleCandidate, match="need a last layer with 3 outputs"):
        train(Candidate(model, context.data.shape, 3), recipe, context, stage="pretrain")
