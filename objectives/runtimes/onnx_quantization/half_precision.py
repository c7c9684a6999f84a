"""The modes `float16` and `bfloat16`: weights stored in 16 bits, but computed in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paretune.objectives.errors import Unmeasurable

LARGEST_FLOAT16 = 65504.0


def store_half(plain: Path, draft: Path, kind: str) -> dict[str, Any]:
    """Writes the float32 graph with weights stored in 16 bits, cast once when the file is loaded.

    The file has half the bytes, rounded weights and the speed of float32. Only weights are in 16
    bits, because ONNX Runtime's CPU provider has no 16-bit convolutions on x86. It runs a graph of
    float16 operators with casts around each, which prevent the fast layout of convolutions: 3 to 8
    times slower than float32 (measured, 1.31). It refuses a bfloat16 Conv or Gemm (INVALID_GRAPH).

    Args:
        plain: The float32 file.
        draft: The file to write.
        kind: "float16" or "bfloat16".

    Returns:
        JSON: the type that weights are stored in, and the type that is computed in.

    Raises:
        Unmeasurable: A weight is too large for float16.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(plain))
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32:
            continue
        name = f"{tensor.name}_{kind}"
        code = TensorProto.FLOAT16 if kind == "float16" else TensorProto.BFLOAT16
        bits = float16_weights(values, tensor.name) if kind == "float16" else _bfloat16(values)
        stored = TensorProto(name=name, data_type=code, dims=values.shape, raw_data=bits.tobytes())
        graph.initializer.remove(tensor)
        graph.initializer.append(stored)
        casts.append(helper.make_node("Cast", [name], [tensor.name], to=TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])
    onnx.save(model, str(draft))
    return {"stored": kind, "computed": "float32"}


def float16_weights(values: Any, name: str) -> Any:
    """Returns weights rounded to float16.

    Args:
        values: float32 [...].
        name: Name of the weights, for the error.

    Raises:
        Unmeasurable: A weight is too large for float16.
    """
    import numpy as np

    finite = values[np.isfinite(values)]  # a mask's -inf is -inf in float16, too
    if finite.size and np.abs(finite).max() > LARGEST_FLOAT16:
        raise Unmeasurable(f"{name} has weights above {LARGEST_FLOAT16:g}: no float16")
    return values.astype("<f2")


def _bfloat16(values: Any) -> Any:
    """Returns the upper 16 bits, rounded half to even: float32 [...] -> uint16 [...]."""
    import numpy as np

    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
