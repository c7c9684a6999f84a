"""Marks: Q/DQ pairs that a network brings along to say which range a tensor has.

Quantization-aware training exports its fake quantization as such pairs. They do not lie where the
runtime fuses them (weights are missing, for one), so they are taken out again, and ONNX Runtime's
quantizer puts its own pairs with the marks' ranges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def strip_marks(model: Any) -> tuple[Any, dict[str, tuple[float, int]]]:
    """The model without its Q/DQ pairs, and (scale, zero point) of each tensor that had one.

    Args:
        model: An onnx.ModelProto; changed in place.
    """
    graph = model.graph
    constants = _constants(graph)
    pairs = _pairs(graph)
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    marks: dict[str, tuple[float, int]] = {}
    for quantize, dequantize in pairs:
        tensor = quantize.input[0]
        tensor = renamed.get(tensor, tensor)
        scale, zero = (constants[name] for name in quantize.input[1:3])
        renamed[dequantize.output[0]] = tensor
        marks.setdefault(tensor, (float(scale), int(zero)))
    for name in [name for name in renamed if name in outputs]:
        _rename(graph, renamed, marks, renamed[name], name)
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    gone = {id(node) for pair in pairs for node in pair}
    kept = [node for node in graph.node if id(node) not in gone]
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
    _drop_unused(graph)
    return model, marks


def _rename(
    graph: Any,
    renamed: dict[str, str],
    marks: dict[str, tuple[float, int]],
    old: str,
    new: str,
) -> None:
    """Gives a tensor the name of the graph's output, which stood behind a mark."""
    for node in graph.node:
        for i, name in enumerate(node.output):
            if name == old:
                node.output[i] = new
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new
    for name, target in renamed.items():
        if target == old:
            renamed[name] = new
    renamed.pop(new, None)
    marks[new] = marks.pop(old)


def _pairs(graph: Any) -> list[tuple[Any, Any]]:
    """(QuantizeLinear, DequantizeLinear) in the graph's order."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return [
        (node, reader)
        for node in graph.node
        if node.op_type == "QuantizeLinear"
        for reader in readers.get(node.output[0], [])
        if reader.op_type == "DequantizeLinear"
    ]


def _constants(graph: Any) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    found = {t.name: numpy_helper.to_array(t) for t in graph.initializer if not t.dims}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type in ("Identity", "Cast") and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _drop_unused(graph: Any) -> None:
    """Takes out the constants that only the marks read."""
    used = {name for node in graph.node for name in node.input} | {v.name for v in graph.output}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    while True:
        used = {name for node in graph.node for name in node.input} | {v.name for v in graph.output}
        idle = [
            node
            for node in graph.node
            if node.op_type in ("Constant", "Identity", "Cast") and not used & set(node.output)
        ]
        if not idle:
            return
        for node in idle:
            graph.node.remove(node)
