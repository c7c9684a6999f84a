"""The mode `dynamic`: weights in 8 bits, activations quantized while the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.onnx_quantization.layers import nodes_of, nodes_within


def quantize_dynamic(plain: Path, draft: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the file with ConvInteger and MatMulInteger in place of Conv, Gemm and MatMul.

    Weights are unsigned, because ConvInteger with signed weights is several times slower on x86.

    Raises:
        Unmeasurable: A layer that should stay in float is not in the file.
    """
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as by_runtime

    kept = options.get("kept", [])
    graph = onnx.load(str(plain)).graph
    by_runtime(
        str(plain),
        str(draft),
        weight_type=QuantType.QUInt8,
        per_channel=options["per_channel"],
        reduce_range=options.get("reduce_range", False),
        nodes_to_exclude=[
            *nodes_of(graph, kept),
            *nodes_within(graph, options.get("keep", [])),
        ],
    )
    return {"kept": list(kept)}
