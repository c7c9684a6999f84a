"""The statistics of batch normalizations, measured anew on batches of training examples.

The running statistics of a network do not fit its subnets (Yu and Huang 2019, section 3.3,
https://arxiv.org/abs/1903.05134).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from paretune.inputs import call
from paretune.nests import Nest
from paretune.spaces.base import Context
from paretune.spaces.elastic.shared_network import SharedNetwork, Tensors
from paretune.spaces.elastic.space import Choice
from paretune.spaces.pruning.training_loss import BATCH, batches


def calibrate(model: nn.Module, context: Context, images: int) -> None:
    """Measures the statistics of a network anew, in place.

    Each is the mean over the batches. Nothing changes without batch normalization.

    Args:
        model: The network; in evaluation mode and on the CPU at the end.
        context: Provides training examples and the device.
        images: Number of examples; the same ones for every network.
    """
    if not _normalizations(model):
        return
    model.eval().to(context.device)
    for module in _normalizations(model):
        module.reset_running_stats()
    with torch.no_grad(), measuring(model):
        for inputs in calibration_batches(context, images):
            call(model, inputs)
    model.cpu()


def calibrate_shared(
    network: SharedNetwork, choice: Choice, tensors: Tensors, inputs: list[Nest]
) -> None:
    """Measures the statistics of a subnet that shares its weights, in its own buffers.

    Args:
        network: The network, with its modules in evaluation mode.
        choice: The subnet.
        tensors: Its tensors; the statistics among them change.
        inputs: Batches of inputs.
    """
    modules = network.modules(choice)
    names = {name for name, module in modules.named_modules() if _has_statistics(module)}
    if not names:
        return
    for name, tensor in tensors.items():
        module, _, buffer = name.rpartition(".")
        if module in names and buffer in ("running_mean", "running_var", "num_batches_tracked"):
            tensor.zero_()
    with torch.no_grad(), measuring(modules):
        for batch in inputs:
            network.run(choice, batch, tensors)


def calibration_batches(context: Context, images: int) -> Iterator[Nest]:
    """Yields the inputs of training examples; never a last batch of one example."""
    from paretune.spaces.training.example_count import example_count

    for number, (inputs, _) in enumerate(batches(context, images, BATCH)):
        if number and example_count(inputs) == 1:
            continue
        yield inputs


@contextmanager
def measuring(model: nn.Module) -> Iterator[None]:
    """Lets batch normalizations take the mean of all batches inside the context."""
    modules = _normalizations(model)
    before = [(module.training, module.momentum) for module in modules]
    for module in modules:
        module.train()
        module.momentum = None
    try:
        yield
    finally:
        for module, (training, momentum) in zip(modules, before, strict=True):
            module.training, module.momentum = training, momentum


def _normalizations(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if _has_statistics(module)]


def _has_statistics(module: Any) -> bool:
    return isinstance(module, nn.modules.batchnorm._NormBase) and module.track_running_stats
