"""Rewrites an .onnx file where MNN's converter or quantizer needs it (MNN 3.6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.onnx_quantization.half_precision import float16_weights
from paretune.objectives.runtimes.onnx_quantization.layers import LAYERS

STEPWISE = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2")
"""Reductions over several axes that equal one after the other."""


def round_weights(path: Path) -> None:
    """Rounds the weights in an .onnx file to numbers that float16 has.

    MNN's converter cuts off the bits that float16 lacks, which errs 5 times as much.

    Args:
        path: The file; replaced.

    Raises:
        Unmeasurable: A weight is too large for float16.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    used = {name for node in model.graph.node if node.op_type in LAYERS for name in node.input[1:]}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in used and values.dtype == np.float32:
            rounded = float16_weights(values, tensor.name).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, str(path))


def split_reductions(path: Path) -> None:
    """Replaces a reduction over several axes by reductions over one axis each.

    MNN's quantizer crashes on `x.mean((2, 3))`, and not on `x.mean(3).mean(2)`.

    Args:
        path: The file; replaced.
    """
    import onnx

    model = onnx.load(str(path))
    constants = _constants(model.graph)
    nodes = [new for node in model.graph.node for new in _reductions(node, constants)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(path))


def _constants(graph: Any) -> dict[str, Any]:
    """Returns name -> tensor of the constants in a graph."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    return constants


def _reductions(node: Any, constants: Mapping[str, Any]) -> list[Any]:
    """Returns nodes that equal a node."""
    from onnx import helper

    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    axes = _axes(node, attributes, constants)
    keeps = bool(attributes.get("keepdims", 1))
    if node.op_type not in STEPWISE or len(axes) < 2 or min(axes) < 0 <= max(axes):
        return [node]
    # An axis that goes renumbers those behind it; negative ones count from the end.
    ordered = sorted(axes, reverse=axes[0] >= 0)
    names = [node.input[0], *(f"{node.output[0]}_{axis}" for axis in ordered[:-1]), node.output[0]]
    return [
        new
        for step, axis in enumerate(ordered)
        for new in _reduction(node.op_type, names[step], names[step + 1], axis, keeps)
    ]


def _axes(
    node: Any, attributes: Mapping[str, Any], constants: Mapping[str, Any]
) -> tuple[int, ...]:
    """Returns the axes of a reduction; an input names those of ReduceSum."""
    from onnx import numpy_helper

    if "axes" in attributes:
        return tuple(attributes["axes"])
    if len(node.input) < 2 or node.input[1] not in constants:
        return ()
    return tuple(map(int, numpy_helper.to_array(constants[node.input[1]]).reshape(-1)))


def _reduction(kind: str, source: str, target: str, axis: int, keeps: bool) -> list[Any]:
    """Returns nodes that reduce one axis: an input names that of ReduceSum."""
    from onnx import TensorProto, helper

    if kind != "ReduceSum":
        return [
            helper.make_node(kind, [source], [target], target, axes=[axis], keepdims=int(keeps))
        ]
    named = f"{target}_axes"
    value = helper.make_tensor(named, TensorProto.INT64, [1], [axis])
    return [
        helper.make_node("Constant", [], [named], named, value=value),
        helper.make_node(kind, [source, named], [target], target, keepdims=int(keeps)),
    ]
