"""Weights that pruning made zero stay zero in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from paretune.spaces.base import Candidate, Context
from paretune.spaces.pruning.semi_structured import SemiStructured
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.zeros import Zeros


def thinned(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Unstructured.apply(candidate, Unstructured.Params(**params), context)


def halved(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return SemiStructured.apply(candidate, SemiStructured.Params(**params), context)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def zeros(tensor: torch.Tensor) -> int:
    return int((tensor == 0).sum())


@pytest.mark.parametrize("optimizer", ["adam", {"sgd": {"momentum": 0.9}}], ids=str)
def test_training_keeps_zeros_and_trains_other_weights(
    optimizer: Any, candidate: Candidate, context: Context
) -> None:
    once = halved(thinned(candidate, context, ratio=0.6), context)
    recipe = Recipe(epochs=3, batch_size=8, optimizer=optimizer, augment={"flip": True})
    after = train(once, recipe, context, stage="finetune")
    before, now = weights(once.model), weights(after.model)
    for name, weight in now.items():
        assert torch.equal(weight == 0, before[name] == 0)
        assert not torch.equal(weight, before[name])


def test_training_changes_zeros_that_no_pruning_made(
    candidate: Candidate, context: Context
) -> None:
    with torch.no_grad():
        candidate.model[0].weight[0] = 0  # type: ignore[index]
    after = train(candidate, Recipe(epochs=1), context, stage="pretrain")
    assert zeros(after.model[0].weight) == 0  # type: ignore[index]


def test_zeros_are_kept_under_a_parametrization(candidate: Candidate, context: Context) -> None:
    after = thinned(candidate, context, ratio=0.5)
    layer = after.model[0]  # type: ignore[index]
    is_zero = zeros(layer.weight)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    kept = Zeros(after.model, after.history)
    with torch.no_grad():
        layer.parametrizations.weight.original.add_(1.0)
    kept.restore()
    assert zeros(layer.weight) == is_zero


def test_removed_layers_are_ignored(candidate: Candidate, context: Context) -> None:
    after = thinned(candidate, context, ratio=0.5)
    after.model[0] = nn.Identity()  # type: ignore[index]
    Zeros(after.model, after.history).restore()
    assert zeros(after.model[3].weight) > 0  # type: ignore[index]
