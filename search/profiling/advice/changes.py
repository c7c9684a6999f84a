"""Makes the changes that are advised on a copy of a network, so that their costs can be counted.

The weights that come of it mean nothing; the shapes are those that a search would build.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import nn

from paretune.objectives.profiling.base import Layer
from paretune.objectives.profiling.layers import layer_costs
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.inputs import Shape, example
from paretune.spaces.pruning.structured import Structured

HALF = 0.5

SMALLER = 0.75
"""Of the resolution."""

LARGE = 64
"""Pixels of the shorter side from which on a lower resolution is worth a try."""

FEWEST = 8
"""Input channels under which a convolution does not become separable: the first of a network."""

UNFIT = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)
"""What networks raise for inputs or modules that do not fit them."""


def separable(model: nn.Module, path: str) -> nn.Module | None:
    """A convolution as a depthwise and a pointwise one (https://arxiv.org/abs/1704.04861).

    None where it is not a dense convolution with a kernel larger than a point.
    """
    conv = model.get_submodule(path)
    if not isinstance(conv, nn.Conv2d) or conv.groups > 1 or conv.in_channels < FEWEST:
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
    return _with(model, path, nn.Sequential(depthwise, pointwise))


def pooled(model: nn.Module, path: str, shape: Shape) -> nn.Module | None:
    """A linear layer behind the mean of each channel, in place of all its pixels.

    None where the layer does not read a flattened map of more than one pixel.
    """
    linear = model.get_submodule(path)
    if not isinstance(linear, nn.Linear):
        return None
    channels = _map_before(model, linear, shape)
    if channels is None:
        return None
    with torch.random.fork_rng(devices=[]):
        smaller = nn.Linear(channels, linear.out_features, bias=linear.bias is not None)
    return _with(model, path, nn.Sequential(_Mean(channels), smaller))


def pruned(model: nn.Module, shape: Shape, classes: int, path: str | None) -> nn.Module | None:
    """Half of a layer's outputs gone, with all that is coupled to them; of every layer for None.

    None where it cannot be pruned.
    """
    amount: dict[str, Any] = {"ratio": HALF} if path is None else {"per_layer": {path: HALF}}
    context = Context(data=cast(Any, None))  # the criterion of magnitude asks for no data
    candidate = Candidate(model, shape, classes)
    try:
        return Structured.apply(candidate, Structured.Params(**amount), context).model
    except InfeasibleCandidate:
        return None


def lower(shape: Shape) -> Shape | None:
    """Images at three quarters of their resolution; None for small ones and for texts."""
    if len(shape) == 2 or min(shape[1:]) < LARGE:
        return None
    step = 32 if min(shape[1:]) >= 128 else 8
    height, width = (max(step, int(side * SMALLER / step + 0.5) * step) for side in shape[1:])
    return shape[0], height, width


def costs(model: nn.Module | None, shape: Shape | None) -> tuple[Layer, ...] | None:
    """The layers of a changed network; None where the change cannot be made."""
    if model is None or shape is None:
        return None
    try:
        return layer_costs(model, shape)
    except UNFIT:
        return None


class _Mean(nn.Module):
    """[B, C * H * W] -> [B, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._channels = channels

    def forward(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.reshape(flat.shape[0], self._channels, -1).mean(2)


def _with(model: nn.Module, path: str, module: nn.Module) -> nn.Module:
    """A copy of the model with another module in a place."""
    changed = copy.deepcopy(model)
    parent, _, name = path.rpartition(".")
    setattr(changed.get_submodule(parent), name, module)
    return changed.eval()


def _map_before(model: nn.Module, linear: nn.Linear, shape: Shape) -> int | None:
    """Channels of the map that the layer reads flattened."""
    seen: list[torch.Size] = []
    fits: list[int] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4:
            seen.append(output.shape)

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        last = seen[-1] if seen and inputs[0].ndim == 2 else torch.Size()
        if last[1:].numel() == linear.in_features and last[2:].numel() > 1:
            fits.append(last[1])

    handles = [module.register_forward_hook(note) for module in model.modules()]
    handles.append(linear.register_forward_pre_hook(look))
    try:
        with torch.inference_mode():
            model.eval()(example(shape))
    finally:
        for handle in handles:
            handle.remove()
    return fits[0] if fits else None
