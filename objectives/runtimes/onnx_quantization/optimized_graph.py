"""The graph that ONNX Runtime runs, after its own optimizations."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.onnx_quantization.layers import LAYERS

FLOAT_LAYERS = frozenset({*LAYERS, "FusedConv", "FusedGemm", "FusedMatMul", "NhwcFusedConv"})


def load_optimized(path: Path) -> Any:
    """Returns the onnx.ModelProto that the CPU provider runs for a file."""
    import onnx
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        settings = ort.SessionOptions()
        settings.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        settings.log_severity_level = 3
        settings.intra_op_num_threads = 1
        ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        return onnx.load(settings.optimized_model_filepath)


def float_layers(path: Path) -> list[str]:
    """Returns the names of the convolutions and matrix products that run in float.

    A product of two activations, as in attention, counts as well.
    """
    return [n.name for n in load_optimized(path).graph.node if n.op_type in FLOAT_LAYERS]
