"""The loss on training images, and its gradients.

Every trial uses the same images, so a value measured once for a network holds for all trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING

from paretune.inputs import call
from paretune.nests import Nest, mapped
from paretune.spaces.base import Context
from paretune.spaces.strides import correct_gradients

if TYPE_CHECKING:
    import torch

    from paretune.spaces.training.batch_loss import BatchLoss

BATCH = 128
"""Training examples in a batch."""

SEED = 0
"""Seed of the order in which training examples are drawn; the same for every trial."""


def batches(context: Context, images: int, size: int) -> Iterator[tuple[Nest, Nest]]:
    """Yields up to `images` training examples in batches of at most `size`.

    A batch that the user's loader made is used whole: its targets may be lists for all examples.
    """
    from paretune.spaces.training.example_count import example_count

    left = images
    for inputs, targets in context.data.batches("train", size, seed=SEED, device=context.device):
        count = example_count(inputs)
        if count > left and context.data.loader_batch is None:
            inputs, targets = _first(inputs, left), _first(targets, left)
        yield inputs, targets
        left -= count
        if left <= 0:
            return


def _first(nest: Nest, count: int) -> Nest:
    """Returns the first examples; a list has one nest for each of them."""
    cut = itemgetter(slice(count))
    return cut(nest) if isinstance(nest, list) else mapped(nest, cut)


def gradients(
    model: torch.nn.Module, context: Context, images: int, squared: bool
) -> dict[str, torch.Tensor]:
    """Returns weight name -> mean gradient of the task's loss, or mean squared gradient.

    Args:
        model: A network in evaluation mode; all parameters must take gradients. Moved to the CPU.
        context: Provides data and device.
        images: Number of training examples.
        squared: Whether the gradient of each single example is squared before the mean. The
            batches of a user's loader count as one example each.
    """
    import torch

    from paretune.spaces.training.example_count import example_count

    loss = _loss(context)
    model.to(context.device).zero_grad(set_to_none=True)
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    seen = 0
    with correct_gradients(model, context.device):
        for inputs, targets in batches(context, images, 1 if squared else BATCH):
            count = example_count(inputs)
            torch.autograd.backward(loss.total(call(model, inputs), targets, count))
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    total[name] += parameter.grad.pow(2) if squared else parameter.grad
            model.zero_grad(set_to_none=True)
            seen += count
    model.cpu()
    return {name: (tensor / max(seen, 1)).cpu() for name, tensor in total.items()}


def mean_loss(model: torch.nn.Module, context: Context, images: int) -> float:
    """Returns the mean of the task's loss on training examples.

    Args:
        model: A network in evaluation mode on the context's device.
        context: Provides data and device.
        images: Number of training examples.
    """
    import torch

    from paretune.spaces.training.example_count import example_count

    loss, total, seen = _loss(context), 0.0, 0
    with torch.inference_mode():
        for inputs, targets in batches(context, images, BATCH):
            count = example_count(inputs)
            total += float(loss.total(call(model, inputs), targets, count))
            seen += count
    return total / max(seen, 1)


def _loss(context: Context) -> BatchLoss:
    from paretune.spaces.training.batch_loss import BatchLoss

    return BatchLoss(context.data, None, device=context.device)
