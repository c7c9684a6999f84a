"""Range marks: Q/DQ pairs in a network's file that record the ranges of its tensors.

Quantization-aware training exports its fake quantization as such pairs. The runtime cannot fuse
them where they are (for example, weights have none). So they are removed, and ONNX Runtime's
quantizer places its own pairs with the ranges of the marks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def strip_marks(model: Any) -> tuple[Any, dict[str, tuple[float, int]]]:
    """Returns the model without its marks, and (scale, zero point) of each tensor that had one.

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
    removed = {id(node) for pair in pairs for node in pair}
    kept = [node for node in graph.node if id(node) not in removed]
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
    """Renames a tensor to the graph's output, which was the output of its mark."""
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
    """Returns each (QuantizeLinear, DequantizeLinear), in the graph's order."""
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
    """Returns the scalar constants of a graph by tensor."""
    from onnx import numpy_helper

    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer if not t.dims}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type in ("Identity", "Cast") and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    return values


def _drop_unused(graph: Any) -> None:
    """Removes the constants that only the marks used."""
    used = {name for node in graph.node for name in node.input} | {v.name for v in graph.output}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    while True:
        used = {name for node in graph.node for name in node.input} | {v.name for v in graph.output}
        unused = [
            node
            for node in graph.node
            if node.op_type in ("Constant", "Identity", "Cast") and not used & set(node.output)
        ]
        if not unused:
            return
        for node in unused:
            graph.node.remove(node)
