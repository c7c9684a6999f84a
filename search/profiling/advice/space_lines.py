"""Lines for the section `space` of a study file that make a study search a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from paretune.search.profiling.advice.change import Change
from paretune.spaces.architecture import ARCHITECTURES

SEPARABLE: tuple[dict[str, Any], ...] = (
    {"separable_cnn": {"width": {"choice": [0.5, 1.0]}}},
    {"mobilenet_v2": {"width": {"choice": [0.35, 0.5, 1.0]}}},
)
"""Architectures of depthwise separable convolutions, which also pool before their last layer."""


def space_line(
    change: Change,
    layer: str,
    architecture: Mapping[str, Any],
    sides: Sequence[int] = (),
    modes: Sequence[str] = (),
) -> str:
    """Returns the line that searches a change of a network.

    Args:
        change: The change.
        layer: Path of the layer; "" for the whole network.
        architecture: The network's {name: parameters}.
        sides: Resolutions to choose from.
        modes: Number formats to choose from.
    """
    match change:
        case Change.SEPARABLE | Change.POOL:
            is_separable = next(iter(architecture)) in ("separable_cnn", "mobilenet_v2")
            current = [] if is_separable else [without_defaults(architecture)]
            return _line("architecture", {"choice": [*current, *SEPARABLE]})
        case Change.HALVE:
            amount: dict[str, Any] = {"per_layer": {layer: {"float": [0.0, 0.8]}}}
            return _line("pruning", {"choice": {"none": {}, "structured": amount}})
        case Change.HALVE_ALL:
            amount = {"ratio": {"float": [0.1, 0.8]}}
            return _line("pruning", {"choice": {"none": {}, "structured": amount}})
        case Change.FORMAT:
            return _line("quantization", {"choice": ["none", *modes]})
        case Change.LOWER:
            [(name, params)] = without_defaults(architecture).items()
            resolution = {"resolution": {"choice": list(sides)}}
            return _line("architecture", {name: {**params, **resolution}})


def without_defaults(architecture: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns an architecture without the parameters that have their default value."""
    [(name, values)] = architecture.items()
    params = ARCHITECTURES.get(name).Params.model_validate(dict(values))
    return {name: params.model_dump(mode="json", exclude_defaults=True)}


def _line(key: str, value: Any) -> str:
    text = yaml.safe_dump({key: value}, default_flow_style=True, sort_keys=False, width=10_000)
    return text.strip()[1:-1]  # without the braces of the outermost mapping
