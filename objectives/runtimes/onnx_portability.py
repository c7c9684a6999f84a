"""The operators of .onnx files, and which of them the accelerators of phones run.

ONNX Runtime runs an operator that an accelerator's execution provider lacks on the CPU, between two
copies. Such a file works there, but is often slower than on the CPU alone. The lists are those of
the providers' `op_builder_factory.cc` in ONNX Runtime's sources of 2025 and 2026 (coreml:
ML Program). A provider may still refuse an operator for its types or sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FREE = ("Constant", "Identity")
"""Operators that ONNX Runtime removes when it loads a file."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


COMMON = _names("""
    Add AveragePool BatchNormalization Cast Clip Concat Conv DepthToSpace Div Flatten Gather Gemm
    GlobalAveragePool GlobalMaxPool LRN LeakyRelu MatMul Max MaxPool Mul PRelu Pad Pow ReduceMean
    Relu Reshape Resize Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze
""")

PROVIDERS: Mapping[str, frozenset[str]] = {
    "coreml": COMMON
    | _names("""
        ArgMax ConvTranspose Erf Gelu GridSample GroupNormalization InstanceNormalization
        LayerNormalization Reciprocal ReduceMax ReduceMin ReduceProd ReduceSum Round Shape
    """),
    "nnapi": COMMON
    | _names("""
        Abs DequantizeLinear Elu Exp Floor Log Min Neg QLinearAdd QLinearAveragePool QLinearConv
        QLinearMatMul QLinearMul QLinearSigmoid QuantizeLinear Sin
    """),
    "qnn": COMMON
    | _names("""
        Abs And ArgMax ArgMin Asin Atan Ceil ConvTranspose Cos CumSum DequantizeLinear Einsum Elu
        Equal Exp Expand Floor GatherElements GatherND Gelu Greater GreaterOrEqual GridSample
        HardSigmoid HardSwish InstanceNormalization LSTM LayerNormalization Less LessOrEqual Log
        LogSoftmax LpNormalization Mean Min Mod Neg Not Or QuantizeLinear Reciprocal ReduceL2
        ReduceMax ReduceMin ReduceProd ReduceSum Round ScatterElements ScatterND Sign Sin
        SpaceToDepth Sum ThresholdedRelu Tile TopK Upsample Where
    """),
}
"""Execution provider of a phone's accelerator -> operators that it runs: Apple's, Android's and
Qualcomm's."""


def operator_counts(path: Path) -> dict[str, int]:
    """Returns operator -> how many nodes of an .onnx file it has.

    An operator outside of ONNX's own set has its domain before it: "com.microsoft.MatMulNBits".
    """
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    names = (_name(node) for node in _nodes(graph))
    return dict(sorted(Counter(name for name in names if name not in FREE).items()))


def _name(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type


def _nodes(graph: Any) -> Any:
    """Yields the nodes of a graph and of its branches and loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def lacking(operators: Mapping[str, int], provider: str) -> dict[str, int]:
    """Returns the operators of a file that an execution provider lacks, with their counts."""
    return {name: n for name, n in operators.items() if name not in PROVIDERS[provider]}


def lacking_everywhere(operators: Mapping[str, int]) -> list[str]:
    """Returns the operators of a file that no provider of PROVIDERS runs."""
    return [name for name in operators if all(name not in run for run in PROVIDERS.values())]
