"""The operators of .onnx files, and which of them the accelerators of phones run.

ONNX Runtime runs an operator that an accelerator's execution provider lacks on the CPU, between two
copies. Such a file works there, but is often slower than on the CPU alone. A provider may still
refuse an operator for its types or sizes. Sources, in github.com/microsoft/onnxruntime:

- nnapi: tools/ci_build/github/android/nnapi_supported_ops.md at commit 5dae05e21e44 (Split, if its
  parts are equal), with LeakyRelu and QLinearMul of
  core/providers/nnapi/nnapi_builtin/builders/op_builder_factory.cc at 07e8de2f519d
- coreml: core/providers/coreml/builders/op_builder_factory.cc of 2025, with Elu, Exp and Softplus
  of tools/ci_build/github/apple/coreml_supported_mlprogram_ops.md at 9969c9a116aa. It writes a
  model as ML Program or NeuralNetwork; some operators, such as Flatten, run in the latter only
- qnn: core/providers/qnn/builder/op_builder_factory.cc at 00cd7c6df0a6
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
        ArgMax ConvTranspose Elu Erf Exp Gelu GridSample GroupNormalization InstanceNormalization
        LayerNormalization Reciprocal ReduceMax ReduceMin ReduceProd ReduceSum Round Shape
        Softplus
    """),
    "nnapi": COMMON
    | _names("""
        Abs DequantizeLinear Elu Exp Floor Log Min Neg QLinearConv QLinearMatMul QuantizeLinear Sin
        com.microsoft.QLinearAdd com.microsoft.QLinearAveragePool com.microsoft.QLinearMul
        com.microsoft.QLinearSigmoid
    """),
    "qnn": COMMON
    | _names("""
        Abs And ArgMax ArgMin Asin Atan Ceil ConvTranspose Cos CumSum DequantizeLinear Einsum Elu
        Equal Exp Expand Floor GatherElements GatherND Gelu Greater GreaterOrEqual GridSample
        HardSigmoid HardSwish InstanceNormalization LSTM LayerNormalization Less LessOrEqual Log
        LogSoftmax LpNormalization Mean Min Mod Neg Not Or QuantizeLinear RMSNormalization
        Reciprocal ReduceL2 ReduceMax ReduceMin ReduceProd ReduceSum Round ScatterElements ScatterND
        Sign Sin SpaceToDepth Sum ThresholdedRelu Tile TopK Upsample Where com.microsoft.FusedMatMul
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
