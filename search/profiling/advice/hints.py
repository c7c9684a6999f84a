"""What in a study would search a change: a line to paste below `space:`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from paretune.search.profiling.advice.tried import Change
from paretune.spaces.architecture import ARCHITECTURES

SEPARABLE: tuple[dict[str, Any], ...] = (
    {"separable_cnn": {"width": {"choice": [0.5, 1.0]}}},
    {"mobilenet_v2": {"width": {"choice": [0.35, 0.5, 1.0]}}},
)
"""Families of depthwise separable convolutions, which also pool before their last layer."""


def hint(
    change: Change,
    layer: str,
    architecture: Mapping[str, Any],
    quantizations: Sequence[str] = (),
    sides: Sequence[int] = (),
) -> str:
    """The line, for an architecture {name: parameters}.

    Args:
        change: What is to be searched.
        layer: Path of the layer it is about; "" for the whole network.
        architecture: Of the network as it is.
        quantizations: Modes of the runtime, for int8.
        sides: Resolutions to choose from.
    """
    match change:
        case Change.SEPARABLE | Change.POOL:
            own = (
                []
                if next(iter(architecture)) in ("separable_cnn", "mobilenet_v2")
                else [short(architecture)]
            )
            return _line("architecture", {"choice": [*own, *SEPARABLE]})
        case Change.HALVE:
            amount: dict[str, Any] = {"per_layer": {layer: {"float": [0.0, 0.8]}}}
            return _line("pruning", {"choice": {"none": {}, "structured": amount}})
        case Change.HALVE_ALL:
            amount = {"ratio": {"float": [0.1, 0.8]}}
            return _line("pruning", {"choice": {"none": {}, "structured": amount}})
        case Change.INT8:
            modes = [mode for mode in ("static", "dynamic") if mode in quantizations]
            return _line("quantization", {"choice": ["none", *modes]})
        case Change.LOWER:
            [(name, params)] = short(architecture).items()
            resolution = {"resolution": {"choice": list(sides)}}
            return _line("architecture", {name: {**params, **resolution}})


def short(architecture: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """An architecture without what is the default."""
    [(name, given)] = architecture.items()
    params = ARCHITECTURES.get(name).Params.model_validate(dict(given))
    return {name: params.model_dump(mode="json", exclude_defaults=True)}


def _line(key: str, value: Any) -> str:
    text = yaml.safe_dump({key: value}, default_flow_style=True, sort_keys=False, width=10_000)
    return text.strip()[1:-1]  # without the braces of the outermost mapping
