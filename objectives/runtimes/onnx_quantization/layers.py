"""Which nodes of an .onnx file a module of the network became."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paretune.objectives.errors import Unmeasurable

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that carry weights."""


def nodes_of(graph: Any, modules: Iterable[str]) -> list[str]:
    """Names of the nodes that multiply by the weights of these modules.

    Args:
        graph: An onnx.GraphProto from torch's exporter, whose nodes are named by scope.
        modules: Qualified names as of `named_modules`: "layer1.0.conv1".

    Raises:
        Unmeasurable: A module is not in the graph.
    """
    places: dict[str, list[str]] = {}
    for node in graph.node:
        if node.op_type in LAYERS:
            places.setdefault(module_of(node.name), []).append(node.name)
    names = []
    for module in modules:
        if module not in places:
            raise Unmeasurable(
                f'the layer "{module}", which shall stay in float, is not in the exported network; '
                "type keep_float: 0"
            )
        names += places[module]
    return names


def module_of(node: str) -> str:
    """The module of a node's name: "/layer1/layer1.0/conv1/Conv" is of "layer1.0.conv1".

    A part that a Sequential called begins with the part before it ("layer1", "layer1.0"); a part
    that was called through a ModuleList stands whole ("blocks.0").
    """
    parts = node.strip("/").split("/")
    path: list[str] = []
    before = ""
    for part in parts:
        if part.split("_")[0] in LAYERS:
            break
        path.append(part.removeprefix(f"{before}.") if before else part)
        before = part
    return ".".join(path)
