"""Transfer learning: trains the last layers alone first, then all layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training import OPTIMIZERS
from paretune.spaces.training.recipe import Recipe
from paretune.task import Task

HEADS = (nn.Linear, nn.Conv2d)
"""Layers that can be a classifier; those of FURTHER_HEADS only if there is none of these."""

FURTHER_HEADS = (nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def head_of(model: nn.Module, outputs: int) -> nn.Module:
    """Returns the last linear layer or convolution with these outputs: the classifier.

    Raises:
        InfeasibleCandidate: The network has no such layer.
    """
    for kinds in (HEADS, FURTHER_HEADS):
        heads = [
            layer
            for layer in model.modules()
            if isinstance(layer, kinds)
            and (getattr(layer, "out_features", None) or getattr(layer, "out_channels", None))
            == outputs
        ]
        if heads:
            return heads[-1]
    raise InfeasibleCandidate(
        f"freeze_epochs and trunk_lr need a last layer with {outputs} outputs (linear or "
        "convolution), and this network has none"
    )


def head_parameters(model: nn.Module, task: Task) -> set[int]:
    """Returns the ids of the parameters of the last layers.

    They are the classifier's, or those of the layers that a task with outputs of its own keeps.

    Raises:
        InfeasibleCandidate: No layer is the last one.
    """
    if task.outputs.size:
        return {id(p) for p in head_of(model, task.outputs.size).parameters()}
    kept = {
        id(parameter)
        for name, layer in model.named_modules()
        if any(fnmatchcase(name, pattern) for pattern in task.keep)
        for parameter in layer.parameters()
    }
    if not kept:
        raise InfeasibleCandidate(
            f"freeze_epochs and trunk_lr need to know the last layers of the task {task.name}; "
            'name them in its `keep`, for example keep = ["head*"]'
        )
    return kept


class Trunk:
    """All layers of a network except the last ones, such as the classifier.

    Args:
        model: The network.
        task: Tells the last layers.

    Raises:
        InfeasibleCandidate: No layer is the last one.
    """

    def __init__(self, model: nn.Module, task: Task) -> None:
        in_head = head_parameters(model, task)
        self._model = model
        self._frozen = False
        # Weights that were frozen before training stay frozen.
        self.parameters = [
            p for p in model.parameters() if p.requires_grad and id(p) not in in_head
        ]

    def freeze(self) -> None:
        """Stops gradients and BatchNorm's statistics; call it after `model.train()`."""
        self._frozen = True
        for parameter in self.parameters:
            parameter.requires_grad_(False)
            parameter.grad = None  # otherwise an optimizer would repeat the last gradient
        for layer in self._model.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()

    def unfreeze(self) -> None:
        """Lets all layers learn again."""
        self._frozen = False
        for parameter in self.parameters:
            parameter.requires_grad_(True)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keeps frozen statistics frozen in a loop that calls `model.train()` itself."""

        def still(layer: nn.Module, _: Any) -> None:
            if self._frozen:
                layer.eval()

        norms = [layer for layer in self._model.modules() if isinstance(layer, _BatchNorm)]
        hooks = [layer.register_forward_pre_hook(still) for layer in norms]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


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
