"""The sensitivity of a trained network to int8 rounding of a single layer."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from paretune.inputs import call
from paretune.nests import Nest
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.keeping import is_within, kept_modules
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.quantization.fake_quantization import FakeActivation, rounded_weight
from paretune.spaces.quantization.graph import WEIGHTED, channel_axis

IMAGES = 64
"""Number of training inputs for the measurement of the error."""

HIGHEST = 200.0
"""Signal-to-noise ratio in dB for outputs that do not differ at all."""

VERSION = 1
"""Version of the measurement; raise it when the order of layers changes."""


def kept_layers(
    candidate: Candidate, keep: int, context: Context, options: Any
) -> tuple[list[str], dict[str, float]]:
    """Returns the layers that stay in float, most sensitive first, and their ratios in dB.

    Args:
        candidate: A trained candidate.
        keep: Number of layers that stay in float.
        context: Provides the data, and the memo that keeps the measurement.
        options: An object with the quantization's `per_channel` and `reduce_range`.

    Raises:
        InfeasibleCandidate: The network has no more than `keep` layers.
    """
    if keep == 0:
        return [], {}
    channels, reduced = options.per_channel, options.reduce_range
    name = f"sensitivity.{VERSION}.{_digest(candidate.model)}.{channels}.{reduced}"
    ratios: dict[str, float] = context.memo(
        name, lambda: sensitivity(candidate, context, channels, reduced)
    )
    kept = kept_modules(candidate.model, candidate.keep)  # stay in float anyway
    ratios = {layer: ratio for layer, ratio in ratios.items() if not is_within(layer, kept)}
    if len(ratios) <= keep:
        raise InfeasibleCandidate(
            f"keep_float: {keep} leaves nothing to quantize: the network has {len(ratios)} layers"
        )
    ranked = sorted(ratios, key=lambda layer: ratios[layer])[:keep]
    return ranked, {layer: ratios[layer] for layer in ranked}


def sensitivity(
    candidate: Candidate, context: Context, per_channel: bool, reduce_range: bool
) -> dict[str, float]:
    """Returns layer -> signal-to-noise ratio of the outputs in dB with this layer alone in int8.

    Weights, input and output of the layer are rounded, with ranges that contain all values of
    these inputs. A low ratio means a sensitive layer. The largest value is HIGHEST. Of several
    outputs, the one with the lowest ratio counts.
    """
    model = copy.deepcopy(candidate.model).to(context.device).eval()
    inputs, _ = next(context.data.batches("train", IMAGES, device=context.device))
    layers = {name: m for name, m in model.named_modules() if isinstance(m, WEIGHTED)}
    with torch.inference_mode():
        exact, ranges = _observed(model, layers, inputs)
        ratios = {}
        for name in ranges:
            axis = channel_axis(layers[name]) if per_channel else None
            with _rounded(layers[name], ranges[name], axis, 64 if reduce_range else 127):
                rounded = _outputs(model, inputs)
            ratios[name] = _ratio(exact, rounded)
    return ratios


Ranges = tuple[FakeActivation, FakeActivation]
"""Fake quantization of a layer's input and of its output."""


def _observed(
    model: nn.Module, layers: Mapping[str, nn.Module], inputs: Nest
) -> tuple[list[torch.Tensor], dict[str, Ranges]]:
    """Returns the float outputs, and the ranges of every layer that the network calls."""
    ranges: dict[str, Ranges] = {}
    hooks = []
    for name, layer in layers.items():
        device = layer.get_parameter("weight").device
        before, after = (FakeActivation(0).to(device).eval() for _ in range(2))
        before.widening = after.widening = True

        def widen(
            module: nn.Module,
            args: Any,
            output: torch.Tensor,
            name: str = name,
            before: FakeActivation = before,
            after: FakeActivation = after,
        ) -> None:
            before(args[0])
            after(output)
            ranges[name] = (before, after)

        hooks.append(layer.register_forward_hook(widen))
    exact = _outputs(model, inputs)
    for hook in hooks:
        hook.remove()
    for pair in ranges.values():
        for fake in pair:
            fake.widening = False
    return exact, ranges


def _outputs(model: nn.Module, inputs: Nest) -> list[torch.Tensor]:
    return [output.double() for output in float_outputs(call(model, inputs))]


@contextmanager
def _rounded(layer: nn.Module, ranges: Ranges, axis: int | None, levels: int) -> Iterator[None]:
    """Rounds the layer as int8 does, inside the `with` block."""
    before, after = ranges
    weight = layer.get_parameter("weight")
    exact = weight.data
    weight.data = rounded_weight(exact, axis, levels)
    hooks = [
        layer.register_forward_pre_hook(lambda module, args: (before(args[0]), *args[1:])),
        layer.register_forward_hook(lambda module, args, output: after(output)),
    ]
    try:
        yield
    finally:
        weight.data = exact
        for hook in hooks:
            hook.remove()


def _ratio(exact: Sequence[torch.Tensor], rounded: Sequence[torch.Tensor]) -> float:
    """Returns the lowest ratio of an output; 0 if its shape depends on its values and changed."""
    pairs = list(zip(exact, rounded, strict=False))
    if len(exact) != len(rounded) or any(a.shape != b.shape for a, b in pairs):
        return 0.0
    return min((_decibel(a, b - a) for a, b in pairs), default=HIGHEST)


def _decibel(signal: torch.Tensor, noise: torch.Tensor) -> float:
    power, error = float(signal.square().sum()), float(noise.square().sum())
    if not math.isfinite(error) or power == 0:
        return 0.0
    return min(10 * math.log10(power / error), HIGHEST) if error > 0 else HIGHEST


def _digest(model: nn.Module) -> str:
    """Returns a digest of the weights."""
    content = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:32]
