"""The optimizer `torch`: any optimizer of torch.optim by name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.torch_optim import (
    REFUSED,
    arguments,
    torch_optimizers,
)


def test_torch_optimizers_lists_all_classes_of_torch_optim() -> None:
    classes = {
        name
        for name, entry in vars(torch.optim).items()
        if isinstance(entry, type)
        and issubclass(entry, torch.optim.Optimizer)
        and entry is not torch.optim.Optimizer
    }
    assert set(torch_optimizers()) == classes


@pytest.mark.parametrize("name", sorted(set(torch_optimizers()) - set(REFUSED)))
def test_arguments_come_from_the_class_signature(name: str) -> None:
    signature = inspect.signature(getattr(torch.optim, name))
    assert list(arguments(name)) == list(signature.parameters)[1:]


@pytest.mark.parametrize("name", sorted(set(torch_optimizers()) - set(REFUSED) - {"Muon"}))
def test_network_learns_with_each_optimizer_of_torch(
    name: str, candidate: Candidate, context: Context
) -> None:
    recipe = Recipe.model_validate({"epochs": 3, "batch_size": 8, "optimizer": {"torch": name}})
    made = train(candidate, recipe, context, stage="pretrain")
    pairs = zip(made.model.parameters(), candidate.model.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)
    assert made.history[-1].params["recipe"]["optimizer"] == {"torch": {"name": name, "args": {}}}


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        ({"torch": "Muon"}, r"torch\.optim\.Muon: .*2D"),
        ({"torch": "RAdam", "args": {"lr": -1.0}}, r"torch\.optim\.RAdam: Invalid learning rate"),
        ({"torch": "NAdam", "args": {"betas": 3}}, r"torch\.optim\.NAdam: "),
    ],
)
def test_optimizer_that_cannot_be_built_is_infeasible(
    candidate: Candidate, context: Context, optimizer: dict[str, Any], reason: str
) -> None:
    recipe = Recipe.model_validate({"epochs": 1, "optimizer": optimizer})
    with pytest.raises(InfeasibleCandidate, match=reason):
        train(candidate, recipe, context, stage="pretrain")
