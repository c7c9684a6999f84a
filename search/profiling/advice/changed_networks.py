"""Applies changes to a copy of a network, so that the costs after the change can be counted.

The weights of the copy have no meaning; its shapes are those that a search would build.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import nn

from paretune.inputs import Shape, Signature, call, example, kind_of
from paretune.objectives.profiling.base import LayerCosts
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.pruning.structured import Structured
from paretune.task import Outputs

HALF = 0.5

SMALLER = 0.75
"""Lower resolution, as a share of the present one."""

LARGE = 64
"""A lower resolution is considered if the shorter side has at least this many pixels."""

LEAST_CHANNELS = 8
"""A convolution with fewer input channels, such as a network's first, does not become separable."""

UNFIT = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""Errors that networks raise for inputs or modules that do not fit them."""


def separable(model: nn.Module, path: str) -> nn.Module | None:
    """Replaces a convolution by a depthwise and a pointwise one (https://arxiv.org/abs/1704.04861).

    Returns None if the layer is not a dense convolution, or its kernel is a single point.
    """
    conv = model.get_submodule(path)
    if not isinstance(conv, nn.Conv2d) or conv.groups > 1 or conv.in_channels < LEAST_CHANNELS:
        return None
    if max(conv.kernel_size) == 1:
        return None
    width = conv.in_channels
    with torch.random.fork_rng(devices=[]):
        depthwise = nn.Conv2d(
            width,
            width,
            conv.kernel_size,  # type: ignore[arg-type]
            conv.stride,  # type: ignore[arg-type]
            conv.padding,  # type: ignore[arg-type]
            conv.dilation,  # type: ignore[arg-type]
            groups=width,
            bias=False,
        )
        pointwise = nn.Conv2d(width, conv.out_channels, 1, bias=conv.bias is not None)
    return _replaced(model, path, nn.Sequential(depthwise, pointwise))


def pooled(model: nn.Module, path: str, shape: Shape) -> nn.Module | None:
    """Lets a linear layer read the mean of each channel instead of all its pixels.

    Returns None if the layer does not read a flattened map of more than one pixel.
    """
    linear = model.get_submodule(path)
    if not isinstance(linear, nn.Linear):
        return None
    channels = _channels_before(model, linear, shape)
    if channels is None:
        return None
    with torch.random.fork_rng(devices=[]):
        smaller = nn.Linear(channels, linear.out_features, bias=linear.bias is not None)
    return _replaced(model, path, nn.Sequential(_Mean(channels), smaller))


def pruned(
    model: nn.Module, shape: Shape, classes: int, path: str | None, keep: tuple[str, ...] = ()
) -> nn.Module | None:
    """Removes half of a layer's outputs and all that depends on them; every layer's for None.

    Returns None if the layer cannot be pruned.

    Args:
        model: The network.
        shape: What it takes.
        classes: Values in a vector of its outputs.
        path: The layer.
        keep: Patterns of layers that the task keeps whole.
    """
    amount: dict[str, Any] = {"ratio": HALF} if path is None else {"per_layer": {path: HALF}}
    context = Context(data=cast(Any, None))  # the magnitude criterion needs no data
    candidate = Candidate(model, shape, Outputs(classes), keep=keep)
    try:
        return Structured.apply(candidate, Structured.Params(**amount), context).model
    except InfeasibleCandidate:
        return None


def lower_resolution(shape: Shape) -> Shape | None:
    """Returns three quarters of the resolution; None for small images and for other inputs."""
    if kind_of(shape) != "images" or isinstance(shape, Signature):
        return None
    if min(shape[1:]) < LARGE:
        return None
    step = 32 if min(shape[1:]) >= 128 else 8
    height, width = (max(step, int(side * SMALLER / step + 0.5) * step) for side in shape[1:])
    return shape[0], height, width


def costs(model: nn.Module | None, shape: Shape | None) -> tuple[LayerCosts, ...] | None:
    """Counts the layers of a changed network; returns None if the change is not possible."""
    if model is None or shape is None:
        return None
    try:
        return layer_costs(model, shape)
    except UNFIT:
        return None


class _Mean(nn.Module):
    """Maps [B, C * H * W] to [B, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._channels = channels

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.reshape(flat.shape[0], self._channels, -1).mean(2)


def _replaced(model: nn.Module, path: str, module: nn.Module) -> nn.Module:
    """Returns a copy of the network with another module at a path."""
    changed = copy.deepcopy(model)
    parent, _, name = path.rpartition(".")
    setattr(changed.get_submodule(parent), name, module)
    return changed.eval()


def _channels_before(model: nn.Module, linear: nn.Linear, shape: Shape) -> int | None:
    """Returns the number of channels of the map that the layer reads flattened."""
    maps: list[torch.Size] = []
    channels: list[int] = []

    def record_map(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            maps.append(output.shape)

    def compare_input(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        last = maps[-1] if maps and inputs[0].ndim == 2 else torch.Size()
        if last[1:].numel() == linear.in_features and last[2:].numel() > 1:
            channels.append(last[1])

    handles = [module.register_forward_hook(record_map) for module in model.modules()]
    handles.append(linear.register_forward_pre_hook(compare_input))
    try:
        with torch.inference_mode():
            call(model.eval(), example(shape))
    finally:
        for handle in handles:
            handle.remove()
    return channels[0] if channels else None
