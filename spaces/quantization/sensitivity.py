"""How much each layer's int8 rounding, alone, disturbs a trained network."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.quantization.fake_quantization import FakeActivation, rounded_weight
from paretune.spaces.quantization.graph import WEIGHTED, channel_axis

IMAGES = 64
"""Training inputs that the error is measured on."""

HIGHEST = 200.0
"""dB that stand for no difference at all."""

VERSION = 1
"""Raised when the measurement gives another order."""


def kept_layers(
    candidate: Candidate, keep: int, context: Context, options: Any
) -> tuple[list[str], dict[str, float]]:
    """The layers that stay in float, most sensitive first, and the signal-to-noise ratio of each.

    Args:
        candidate: A trained one.
        keep: How many.
        context: Its data are measured on; its memo keeps what was measured.
        options: `per_channel` and `reduce_range` of the quantization.

    Raises:
        InfeasibleCandidate: The network has no more layers than shall stay in float.
    """
    if keep == 0:
        return [], {}
    channels, reduced = options.per_channel, options.reduce_range
    name = f"sensitivity.{VERSION}.{_digest(candidate.model)}.{channels}.{reduced}"
    found: dict[str, float] = context.memo(
        name, lambda: sensitivity(candidate, context, channels, reduced)
    )
    if len(found) <= keep:
        raise InfeasibleCandidate(
            f"keep_float: {keep} leaves nothing to quantize: the network has {len(found)} layers"
        )
    ranked = sorted(found, key=lambda layer: found[layer])[:keep]
    return ranked, {layer: found[layer] for layer in ranked}


def sensitivity(
    candidate: Candidate, context: Context, per_channel: bool, reduce_range: bool
) -> dict[str, float]:
    """Layer -> signal-to-noise ratio of the logits in dB when this layer alone is in int8.

    Weights, input and output of the layer are rounded, with ranges that hold every value of these
    inputs. Low is sensitive. The largest value is HIGHEST.
    """
    model = copy.deepcopy(candidate.model).to(context.device).eval()
    inputs, _ = next(context.data.batches("train", IMAGES, device=context.device))
    layers = {name: m for name, m in model.named_modules() if isinstance(m, WEIGHTED)}
    with torch.inference_mode():
        logits, ranges = _observed(model, layers, inputs)
        found = {}
        for name in ranges:
            axis = channel_axis(layers[name]) if per_channel else None
            with _rounded(layers[name], ranges[name], axis, 64 if reduce_range else 127):
                noise = model(inputs).double() - logits
            found[name] = _decibel(logits, noise)
    return found


Ranges = tuple[FakeActivation, FakeActivation]
"""Of a layer's input and of its output."""


def _observed(
    model: nn.Module, layers: Mapping[str, nn.Module], inputs: torch.Tensor
) -> tuple[torch.Tensor, dict[str, Ranges]]:
    """The float logits, and the ranges of every layer that the network calls."""
    ranges: dict[str, Ranges] = {}
    hooks = []
    for name, layer in layers.items():
        given, gave = (FakeActivation(0).to(inputs.device).eval() for _ in range(2))
        given.widening = gave.widening = True

        def look(
            module: nn.Module, args: Any, output: torch.Tensor, own: Any = (name, given, gave)
        ) -> None:
            own[1](args[0])
            own[2](output)
            ranges[own[0]] = (own[1], own[2])

        hooks.append(layer.register_forward_hook(look))
    logits = model(inputs).double()
    for hook in hooks:
        hook.remove()
    for pair in ranges.values():
        for fake in pair:
            fake.widening = False
    return logits, ranges


@contextmanager
def _rounded(layer: nn.Module, ranges: Ranges, axis: int | None, levels: int) -> Iterator[None]:
    """The layer in int8 while the body runs."""
    given, gave = ranges
    weight = layer.get_parameter("weight")
    exact = weight.data
    weight.data = rounded_weight(exact, axis, levels)
    hooks = [
        layer.register_forward_pre_hook(lambda module, args: (given(args[0]), *args[1:])),
        layer.register_forward_hook(lambda module, args, output: gave(output)),
    ]
    try:
        yield
    finally:
        weight.data = exact
        for hook in hooks:
            hook.remove()


def _decibel(signal: torch.Tensor, noise: torch.Tensor) -> float:
    power, error = float(signal.square().sum()), float(noise.square().sum())
    if not math.isfinite(error) or power == 0:
        return 0.0
    return min(10 * math.log10(power / error), HIGHEST) if error > 0 else HIGHEST


def _digest(model: nn.Module) -> str:
    """Of the weights."""
    content = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:32]
