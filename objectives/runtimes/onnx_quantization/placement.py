"""Finds where ONNX Runtime's quantizer places Q/DQ pairs, which QAT has to simulate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks
from paretune.objectives.runtimes.onnx_quantization.static import activation_scales, quantize_static


def placement(plain: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns where ONNX Runtime's quantizer would place Q/DQ pairs in a network.

    Args:
        plain: A float file in which every activation has a range mark. The scales of the marks are
            different numbers (1, 2, ...), which identify the activations. The file is overwritten.
        options: Options of the quantization.

    Returns:
        {"groups": [[numbers of activations that share a range], ...],
        "hidden": [names of quantized tensors without a mark]}
    """
    import onnx

    model, marks = strip_marks(onnx.load(str(plain)))
    onnx.save(model, str(plain))
    inputs = _inputs(model.graph)
    draft = plain.with_name("placement.onnx")
    quantize_static(plain, draft, {**options, "calibration": "minmax"}, iter([inputs]))
    scales = activation_scales(onnx.load(str(draft)).graph)
    groups: dict[str, list[int]] = {}
    for tensor, scale in scales.items():
        if tensor in marks:
            groups.setdefault(scale, []).append(round(marks[tensor][0]))
    return {"groups": list(groups.values()), "hidden": sorted(scales.keys() - marks.keys())}


def _inputs(graph: Any) -> dict[str, Any]:
    """Returns inputs of a graph: noise, and integers that hide nothing as a mask of zeros would."""
    import numpy as np
    import onnx

    random = np.random.default_rng(0)
    several = len(graph.input) > 1
    inputs = {}
    for value in graph.input:
        kind = value.type.tensor_type
        shape = [d.dim_value or 1 for d in kind.shape.dim]
        if kind.elem_type == onnx.TensorProto.FLOAT:
            inputs[value.name] = random.normal(size=shape).astype(np.float32)
        else:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            inputs[value.name] = np.full(shape, int(several), dtype=dtype)
    return inputs
