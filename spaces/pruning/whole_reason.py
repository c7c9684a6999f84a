"""The reason why a layer stays whole, in words and with the line of the user's code."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import nn

import paretune.inputs
from paretune.inputs import call
from paretune.nests import Nest
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.pruning.layer import PrunableLayer

SLICED = "`forward` slices its channels by numbers"
SPLIT = "`forward` splits its channels into parts of fixed sizes"
RESHAPED = "`forward` reshapes its channels by fixed numbers"
NORMALIZED = "a group normalization joins its channels with those of another layer"
JOINED = "`forward` uses its channels in a way that pruning cannot follow"

_LIBRARIES = ("site-packages", "dist-packages")

_OWN = (
    str(Path(__file__).resolve().parents[1]),
    str(Path(paretune.inputs.__file__).resolve().parent),
)
"""Folders with the code of Paretune that runs networks."""


def reason_of(model: nn.Module, inputs: Nest, layer: PrunableLayer | None, error: Exception) -> str:
    """Returns why a layer stays whole.

    Args:
        model: The network; its parameters take gradients.
        inputs: Inputs of the network.
        layer: The layer; None if its channels cannot be followed at all.
        error: The error that the network without some of its units raised.
    """
    return f"{_cause(model, inputs, layer)}{code_line(error)}"


def _cause(model: nn.Module, inputs: Nest, layer: PrunableLayer | None) -> str:
    if layer is None:
        return JOINED
    touched = {module for module, _, _ in layer.touched} | set(layer.members)
    weights = [n for n in _used_twice(model, inputs) if n.rpartition(".")[0] in touched]
    if weights:
        return f"{weights[0]} is used twice"
    kinds = {_kind(item.dep.target.module) for item in layer.group or ()}
    for kind, text in (
        ("slice", SLICED),
        ("groupnorm", NORMALIZED),
        ("reshape", RESHAPED),
        ("split", SPLIT),
        ("unbind", SPLIT),
    ):
        if kind in kinds:
            return text
    return JOINED


def _kind(module: Any) -> str:
    name = type(module).__name__.lower().strip("_").removesuffix("op")
    return "slice" if "slice" in str(getattr(module, "_grad_fn", "")).lower() else name


def _used_twice(model: nn.Module, inputs: Nest) -> list[str]:
    """Returns the names of weights that several modules, or several places of `forward`, use."""
    with torch.enable_grad():
        outputs = float_outputs(call(model, inputs))
    uses: dict[int, int] = {}
    seen: set[Any] = set()
    waiting = [output.grad_fn for output in outputs]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for following, _ in node.next_functions:
            variable = getattr(following, "variable", None)
            if variable is not None:
                uses[id(variable)] = uses.get(id(variable), 0) + 1
            waiting.append(following)
    parameters = model.named_parameters(remove_duplicate=False)
    return [name for name, p in parameters if p.ndim > 1 and uses.get(id(p), 0) > 1]


def code_line(error: Exception) -> str:
    """Returns the last line of the user's code that an error went through, or nothing."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = str(Path(frame.filename).resolve())
        if not file.startswith(_OWN) and not any(part in file for part in _LIBRARIES):
            return f" ({Path(file).name}, line {frame.lineno})"
    return ""
