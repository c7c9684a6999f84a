"""The loss on training images, and its gradients.

Every trial uses the same images, so a value measured once for a network holds for all trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretune.spaces.base import Context
from paretune.spaces.strides import correct_gradients

if TYPE_CHECKING:
    import torch

BATCH = 128
"""Training examples in a batch."""

SEED = 0
"""Seed of the order in which training examples are drawn; the same for every trial."""


def batches(
    context: Context, images: int, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields up to `images` training examples in batches of at most `size`."""
    left = images
    for inputs, labels in context.data.batches("train", size, seed=SEED, device=context.device):
        yield inputs[:left], labels[:left]
        left -= len(labels)
        if left <= 0:
            return


def gradients(
    model: torch.nn.Module, context: Context, images: int, squared: bool
) -> dict[str, torch.Tensor]:
    """Returns weight name -> mean gradient of the cross-entropy, or mean squared gradient.

    Args:
        model: A network in evaluation mode; all parameters must take gradients. Moved to the CPU.
        context: Provides data and device.
        images: Number of training examples.
        squared: Whether the gradient of each single example is squared before the mean.
    """
    import torch
    from torch.nn import functional

    model.to(context.device).zero_grad(set_to_none=True)
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    count = 0
    with correct_gradients(model, context.device):
        for inputs, labels in batches(context, images, 1 if squared else BATCH):
            loss = functional.cross_entropy(model(inputs), labels, reduction="sum")
            torch.autograd.backward(loss)
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    total[name] += parameter.grad.pow(2) if squared else parameter.grad
            model.zero_grad(set_to_none=True)
            count += len(labels)
    model.cpu()
    return {name: (tensor / max(count, 1)).cpu() for name, tensor in total.items()}


def mean_loss(model: torch.nn.Module, context: Context, images: int) -> float:
    """Returns the mean cross-entropy on training examples.

    Args:
        model: A network in evaluation mode on the context's device.
        context: Provides data and device.
        images: Number of training examples.
    """
    import torch
    from torch.nn import functional

    total, count = 0.0, 0
    with torch.inference_mode():
        for inputs, labels in batches(context, images, BATCH):
            total += float(functional.cross_entropy(model(inputs), labels, reduction="sum"))
            count += len(labels)
    return total / max(count, 1)
