"""What training images say about weights: gradients of the loss, and the loss itself.

The images are the same for every trial, so that what was measured once for a network holds for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretune.spaces.base import Context
from paretune.spaces.strides import correct_gradients

if TYPE_CHECKING:
    import torch

BATCH = 128

SEED = 0


def batches(
    context: Context, images: int, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Up to so many training examples in batches of at most `size`."""
    left = images
    for inputs, labels in context.data.batches("train", size, seed=SEED, device=context.device):
        yield inputs[:left], labels[:left]
        left -= len(labels)
        if left <= 0:
            return


def gradients(
    model: torch.nn.Module, context: Context, images: int, squared: bool
) -> dict[str, torch.Tensor]:
    """Weight name -> mean gradient of the cross-entropy over examples, or its mean square.

    Args:
        model: In evaluation mode, all parameters taking gradients; comes back on the CPU.
        context: Data and device.
        images: How many training examples.
        squared: Square each example's own gradient before the mean.
    """
    import torch
    from torch.nn import functional

    model.to(context.device).zero_grad(set_to_none=True)
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    seen = 0
    with correct_gradients(model, context.device):
        for inputs, labels in batches(context, images, 1 if squared else BATCH):
            loss = functional.cross_entropy(model(inputs), labels, reduction="sum")
            torch.autograd.backward(loss)
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    total[name] += parameter.grad.pow(2) if squared else parameter.grad
            model.zero_grad(set_to_none=True)
            seen += len(labels)
    model.cpu()
    return {name: (tensor / max(seen, 1)).cpu() for name, tensor in total.items()}


def mean_loss(model: torch.nn.Module, context: Context, images: int) -> float:
    """Mean cross-entropy on training examples, of a model in evaluation mode on the device."""
    import torch
    from torch.nn import functional

    total, seen = 0.0, 0
    with torch.inference_mode():
        for inputs, labels in batches(context, images, BATCH):
            total += float(functional.cross_entropy(model(inputs), labels, reduction="sum"))
            seen += len(labels)
    return total / max(seen, 1)
