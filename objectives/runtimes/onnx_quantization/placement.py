"""Where ONNX Runtime's quantizer puts Q/DQ pairs: what quantization-aware training simulates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks
from paretune.objectives.runtimes.onnx_quantization.static import activations, quantize_static


def placement(plain: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Where ONNX Runtime's quantizer would put Q/DQ pairs in a network full of marks.

    Args:
        plain: A float file in which every activation has a mark, whose scale is a number of its
            own (1, 2, ...): that is how a tensor of the file is recognized as the network's.
        options: Of the quantization.

    Returns:
        {"groups": [[numbers that share a range], ...], "hidden": [quantized tensors without mark]}
    """
    import numpy as np
    import onnx

    model, marks = strip_marks(onnx.load(str(plain)))
    onnx.save(model, str(plain))
    shape = [d.dim_value or 1 for d in model.graph.input[0].type.tensor_type.shape.dim]
    if model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
        probe = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    else:
        probe = np.zeros(shape, dtype=np.int64)
    draft = plain.with_name("placement.onnx")
    quantize_static(plain, draft, {**options, "calibration": "minmax"}, iter([probe]))
    placed = activations(onnx.load(str(draft)).graph)
    groups: dict[str, list[int]] = {}
    for tensor, scale in placed.items():
        if tensor in marks:
            groups.setdefault(scale, []).append(round(marks[tensor][0]))
    return {"groups": list(groups.values()), "hidden": sorted(placed.keys() - marks.keys())}
