"""Tries the loss of a study on one batch, before anything is exported or trained."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from paretune.inputs import call
from paretune.search.building.undisturbed import undisturbed
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset


def try_loss(model: torch.nn.Module, data: Dataset, recipe: Any, batch: tuple[Any, Any]) -> None:
    """Computes the loss of one batch and its gradient; the network stays as it is.

    Args:
        model: The untrained network.
        data: Provides the task.
        recipe: The baseline's recipe as JSON; None if it is not trained.
        batch: (inputs, targets), on the CPU.

    Raises:
        InfeasibleCandidate: The loss is no finite scalar, or no weight gets a gradient.
    """
    option = Recipe.model_validate(recipe).loss if recipe else None
    inputs, targets = batch
    with undisturbed():
        network = copy.deepcopy(model).cpu().train()
        computed = BatchLoss(data, option)
        loss = computed.mean(call(network, inputs), targets)
        if not bool(loss.isfinite()):
            raise InfeasibleCandidate(
                f"{computed.name} is {float(loss.detach())} for the first batch, before any "
                "training; it must be finite for the outputs of an untrained network"
            )
        loss.backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if trained and all(parameter.grad is None for parameter in trained):
        raise InfeasibleCandidate(
            f"{computed.name} has no gradient: no weight of the network decides it; compute it "
            "from the outputs"
        )
