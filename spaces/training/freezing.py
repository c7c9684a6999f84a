"""Transfer learning: trains the classifier alone first, then all layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training import OPTIMIZERS
from paretune.spaces.training.recipe import Recipe


def head_of(model: nn.Module, classes: int) -> nn.Module:
    """Returns the classifier: the last linear layer or convolution with an output for each class.

    Raises:
        InfeasibleCandidate: The network has no such layer.
    """
    head = None
    for layer in model.modules():
        outputs = getattr(layer, "out_features", None) or getattr(layer, "out_channels", None)
        if isinstance(layer, nn.Linear | nn.Conv2d) and outputs == classes:
            head = layer
    if head is None:
        raise InfeasibleCandidate(
            f"freeze_epochs and trunk_lr need a last layer with {classes} outputs (linear or "
            "convolution), and this network has none"
        )
    return head


class Trunk:
    """All layers of a network except the classifier.

    Args:
        model: The network.
        classes: Number of classes.

    Raises:
        InfeasibleCandidate: No layer is the classifier.
    """

    def __init__(self, model: nn.Module, classes: int) -> None:
        head = head_of(model, classes)
        in_head = {id(p) for p in head.parameters()}
        self._model = model
        # Weights that were frozen before training stay frozen.
        self.parameters = [
            p for p in model.parameters() if p.requires_grad and id(p) not in in_head
        ]

    def freeze(self) -> None:
        """Stops gradients and BatchNorm's statistics; call it after `model.train()`."""
        for parameter in self.parameters:
            parameter.requires_grad_(False)
            parameter.grad = None  # otherwise an optimizer would repeat the last gradient
        for layer in self._model.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()

    def unfreeze(self) -> None:
        """Lets all layers learn again."""
        for parameter in self.parameters:
            parameter.requires_grad_(True)


def optimizer_of(
    parameters: list[torch.nn.Parameter], trunk: Trunk | None, recipe: Recipe
) -> torch.optim.Optimizer:
    """Returns the recipe's optimizer; the trunk is a second group if its rate differs."""
    groups: list[Any] = parameters
    if trunk and recipe.trunk_lr < 1:
        slow = {id(p) for p in trunk.parameters}
        fast = [p for p in parameters if id(p) not in slow]
        groups = [{"params": fast}, {"params": trunk.parameters}]
    optimizer: torch.optim.Optimizer = OPTIMIZERS.get(recipe.optimizer.name).build(
        groups, recipe.optimizer.params
    )
    if groups is not parameters:
        optimizer.param_groups[1]["lr"] *= recipe.trunk_lr
    return optimizer
