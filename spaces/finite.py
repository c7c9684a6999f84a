"""Finds NaN and infinity in a network's tensors.

Buffers may hold infinity on purpose: an attention mask has -inf where a token must not look. So may
parameters that are not trained. NaN is never on purpose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def infinite_constants(model: torch.nn.Module) -> frozenset[str]:
    """Returns the names of buffers and untrained parameters that hold infinity or NaN."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return frozenset(name for name, _ in _broken(model) if name not in trained)


def broken_tensor(model: torch.nn.Module, allowed: Collection[str] = ()) -> tuple[str, str] | None:
    """Returns the first parameter or buffer that is not finite; None if all are finite.

    Args:
        model: The network.
        allowed: Names of tensors that may hold anything.

    Returns:
        Its name, and how many of its values are not finite: "3 of 512 values".
    """
    for name, tensor in _broken(model):
        if name not in allowed:
            count = int((~tensor.isfinite()).sum())
            return name, f"{count} of {tensor.numel()} values"
    return None


def broken_weight(model: torch.nn.Module) -> tuple[str, str] | None:
    """Returns the first tensor that no quantizer can round, as `broken_tensor`.

    These are parameters that are not finite, and buffers with NaN.
    """
    buffers = {name: tensor for name, tensor in model.named_buffers() if tensor is not None}
    masks = [n for n, t in buffers.items() if t.is_floating_point() and not t.isnan().any()]
    return broken_tensor(model, masks)


def _broken(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields name and tensor of parameters and buffers that are not finite."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        is_number = tensor.is_floating_point() or tensor.is_complex()
        if is_number and not tensor.isfinite().all():
            yield name, tensor
