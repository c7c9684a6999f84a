"""Gives an untrained network weights that let every part of it show in the outputs.

Untrained outputs hardly depend on the input: plain weights shrink the signal from layer to layer,
and zeros at the end of a branch hide it. A wrong export would then look right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from paretune.inputs import call
from paretune.nests import Nest, leaves, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose1d, nn.ConvTranspose2d)

NOISE = 0.2
"""Largest relative change of a weight; a weight near zero becomes as large as this."""

TINY = 1e-3
"""A tensor whose values are all smaller, such as a layer scale of 1e-6, counts as zeros."""

MOST = 1e3
"""Largest factor of a layer's weights."""


def spread_weights(model: nn.Module, inputs: Nest) -> None:
    """Perturbs the weights, and scales each layer so that its outputs differ by about 1.

    The plain weights stay if the outputs would not be finite, or if the network was trained: its
    outputs differ enough, and other weights would not fit its running statistics.

    Args:
        model: An untrained network in evaluation mode; changed in place.
        inputs: Examples of different content.
    """
    if is_trained(model):
        return
    plain = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _perturb(model)
    handles = list(_scaling_hooks(model))
    try:
        with torch.no_grad():
            outputs = call(model, mapped(inputs, lambda tensor: tensor.clone()))
        tensors = [leaf for leaf in leaves(outputs) if isinstance(leaf, torch.Tensor)]
        spread = all(bool(tensor.isfinite().all()) for tensor in tensors)
    except Exception:  # the checks of the plain network report what its code raises
        spread = False
    finally:
        for handle in handles:
            handle.remove()
    if not spread:
        model.load_state_dict(plain)
        return
    buffers = {name for name, _ in model.named_buffers()}  # the run may have changed some
    model.load_state_dict({name: plain[name] for name in buffers & plain.keys()}, strict=False)


def is_trained(model: nn.Module) -> bool:
    """Returns whether a batch normalization has seen a batch."""
    return any(
        buffer is not None and bool((buffer != start).any())
        for module in model.modules()
        for buffer, start in (
            (getattr(module, "running_mean", None), 0.0),
            (getattr(module, "running_var", None), 1.0),
        )
    )


def _perturb(model: nn.Module) -> None:
    """Changes each weight a little, and zeros to small positive values; no sign changes."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.is_floating_point() or not weight.numel():
                continue
            noise = torch.rand(weight.shape, generator=generator, dtype=torch.float32)
            noise = noise.to(weight.dtype)
            if float(weight.abs().max()) < TINY:
                signs = 1.0
                if weight.ndim > 1:  # a matrix of positive values would average its input
                    noise, signs = 2 * noise - 1, float(weight.shape[1]) ** -0.5
                weight.copy_(NOISE * noise * signs)
            else:
                weight.mul_(1 + NOISE * (2 * noise - 1))


def _scaling_hooks(model: nn.Module) -> Iterator[Any]:
    """Registers hooks that scale a layer's weights when it first runs; yields their handles."""
    scaled: set[int] = set()
    for module in model.modules():
        if isinstance(module, LAYERS) and isinstance(
            module._parameters.get("weight"), nn.Parameter
        ):
            yield module.register_forward_hook(lambda m, _, out: _scale(m, out, scaled))


def _scale(module: Any, outputs: torch.Tensor, scaled: set[int]) -> torch.Tensor:
    if id(module.weight) in scaled or outputs.ndim < 2 or len(outputs) < 2:
        return outputs
    scaled.add(id(module.weight))
    deviation = float(outputs.double().var(dim=0).mean().sqrt())
    if not 1 / MOST < deviation < MOST:
        return outputs
    module.weight.div_(deviation)
    bias = module.bias
    if bias is None:
        return outputs / deviation
    if outputs.ndim > 2 and not isinstance(module, nn.Linear):
        bias = bias.reshape(-1, *[1] * (outputs.ndim - 2))
    scaled_outputs: torch.Tensor = (outputs - bias) / deviation + bias
    return scaled_outputs
