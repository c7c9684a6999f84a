"""Makes each change that could help a network, and estimates the costs of the changed network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from paretune.objectives.inputs import Shape
from paretune.objectives.profiling.base import LayerCosts
from paretune.search.profiling.advice import changed_networks
from paretune.search.profiling.advice.advice import worst_layers
from paretune.search.profiling.advice.change import Change, EstimatedChange
from paretune.search.profiling.advice.estimates import (
    INT8_SPEED,
    INT8_SPEED_PLAIN,
    ChangeEstimate,
    NetworkCosts,
    estimate_change,
    estimate_int8,
)
from paretune.search.profiling.advice.space_lines import space_line

DOT_PRODUCT_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor flags for 8-bit dot products."""


def estimated_changes(
    model: nn.Module,
    shape: Shape,
    classes: int,
    costs: NetworkCosts,
    architecture: Mapping[str, Any],
    quantizations: Sequence[str] = (),
) -> list[EstimatedChange]:
    """Returns the possible changes of the worst layers, then those of the whole network.

    Args:
        model: The network, on the CPU.
        shape: Shape of one input.
        classes: Number of logits.
        costs: Measured costs of the network.
        architecture: {name: parameters}.
        quantizations: Quantization modes of the runtime; empty if the network is quantized already.
    """
    changes = []
    for path in worst_layers(costs):
        for change, after in _layer_changes(model, shape, classes, path):
            line = space_line(change, path, architecture)
            estimate = estimate_change(costs, after, path)
            changes.append(EstimatedChange(path, change, estimate, line))
    for change, estimate, sides in _network_changes(model, shape, classes, costs, quantizations):
        line = space_line(change, "", architecture, quantizations, sides)
        changes.append(EstimatedChange("", change, estimate, line))
    return changes


def _layer_changes(
    model: nn.Module, shape: Shape, classes: int, path: str
) -> Iterator[tuple[Change, tuple[LayerCosts, ...]]]:
    """Yields (change, layers of the changed network) for each change of one layer."""
    networks = {
        Change.SEPARABLE: changed_networks.separable(model, path),
        Change.POOL: changed_networks.pooled(model, path, shape),
        Change.HALVE: changed_networks.pruned(model, shape, classes, path),
    }
    for change, network in networks.items():
        after = changed_networks.costs(network, shape)
        if after is not None:
            yield change, after


def _network_changes(
    model: nn.Module,
    shape: Shape,
    classes: int,
    costs: NetworkCosts,
    quantizations: Sequence[str],
) -> Iterator[tuple[Change, ChangeEstimate, Sequence[int]]]:
    """Yields (change, estimate, resolutions to choose from) for changes of the whole network."""
    pruned = changed_networks.pruned(model, shape, classes, None)
    after = changed_networks.costs(pruned, shape)
    if after is not None:
        yield Change.HALVE_ALL, estimate_change(costs, after), ()
    if "static" in quantizations:
        yield Change.INT8, estimate_int8(costs, int8_speed()), ()
    smaller = changed_networks.lower_resolution(shape)
    after = changed_networks.costs(model, smaller)
    if smaller is not None and after is not None:
        yield Change.LOWER, estimate_change(costs, after), (min(smaller[1:]), min(shape[1:]))


def int8_speed() -> float:
    """Returns the speed of int8 relative to float, estimated from the flags of this processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return INT8_SPEED_PLAIN
    flags = set(text.split())
    return INT8_SPEED if any(flag in flags for flag in DOT_PRODUCT_FLAGS) else INT8_SPEED_PLAIN
