"""Restores the names of a network that was exported inside a FlatModule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from paretune.inputs import Input

WRAPPED = "wrapped_network"
"""Attribute of the module with the network. Nodes are named "/wrapped_network/conv/Conv", in a
Sequential "/wrapped_network/wrapped_network.0/Conv", and weights "wrapped_network.conv.weight"."""


def restore_names(path: Path, inputs: Sequence[Input]) -> None:
    """Names nodes and weights as in an export of the network itself, and adds unused inputs.

    Layers of a network are found by the names of their nodes. The exporter drops inputs that the
    network does not use; the file keeps them, so that it takes what the network takes.

    Args:
        path: The .onnx file; replaced.
        inputs: Inputs of the network.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    tensors = {name for each in _graphs(graph) for name in _tensors(each)}
    renamed = _renamed(tensors)
    nodes = [node for each in _graphs(graph) for node in each.node]
    node_names = _renamed({node.name for node in nodes})
    for node in nodes:
        node.name = node_names.get(node.name, node.name)
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
    for each in _graphs(graph):
        for value in (*each.initializer, *each.value_info, *each.input, *each.output):
            value.name = renamed.get(value.name, value.name)
    _add_unused(graph, inputs)
    onnx.save(model, str(path))


def _graphs(graph: Any) -> Iterator[Any]:
    """Yields a graph and the graphs of its branches and loops."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _tensors(graph: Any) -> Iterator[str]:
    yield from (value.name for value in (*graph.initializer, *graph.input, *graph.output))
    yield from (name for node in graph.node for name in node.output)


def _renamed(names: set[str]) -> dict[str, str]:
    """Returns old name -> new name; a name whose short form is taken stays."""
    taken = {name for name in names if _short(name) == name}
    renamed: dict[str, str] = {}
    for name in sorted(names - taken):
        new = _short(name)
        if new not in taken:
            taken.add(new)
            renamed[name] = new
    return renamed


def _short(name: str) -> str:
    scope, rest = f"/{WRAPPED}/", name
    if name.startswith(scope):
        rest = f"/{name.removeprefix(scope)}"
    return "/".join(part.removeprefix(f"{WRAPPED}.") for part in rest.split("/"))


def _add_unused(graph: Any, inputs: Sequence[Input]) -> None:
    from onnx import helper

    used = {value.name: value for value in graph.input}
    values = []
    for each in inputs:
        dynamic = dict(each.dynamic)
        sizes = ["batch", *(dynamic.get(axis, size) for axis, size in enumerate(each.shape))]
        kind = helper.np_dtype_to_tensor_dtype(_dtype(each.dtype))
        value = helper.make_tensor_value_info(each.name, kind, sizes)
        values.append(used.get(each.name, value))
    del graph.input[:]
    graph.input.extend(values)


def _dtype(name: str) -> Any:
    import numpy as np

    return np.dtype(name)
