"""Static int8: weights and activations in 8 bits, Q/DQ pairs placed by ONNX Runtime's quantizer.

The quantizer places the pairs where the runtime fuses them; a graph quantized elsewhere leaves
convolutions in float and can be slower than the float network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.attention_scores import masked_scores
from paretune.objectives.runtimes.onnx_quantization.calibration import CalibrationReader
from paretune.objectives.runtimes.onnx_quantization.layers import LAYERS, nodes_of
from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks

if TYPE_CHECKING:
    import numpy as np

UINT8 = 2
"""onnx.TensorProto.UINT8."""

FLOAT = frozenset({"LayerNormalization", "InstanceNormalization", "BatchNormalization"})
"""Operators that ONNX Runtime would put between Q/DQ pairs though it has no int8 kernel for them:
rounding before them costs accuracy and time and gains nothing."""


def quantize_static(
    plain: Path, draft: Path, options: Mapping[str, Any], calibration: Iterator[np.ndarray]
) -> dict[str, Any]:
    """Writes the int8 file, ranges found on calibration inputs.

    Raises:
        Unmeasurable: A layer that shall stay in float is not in the file; no inputs.
    """
    _quantize(_prepared(plain), draft, options, calibration, {})
    return {"kept": list(options.get("kept", []))}


def quantize_marked(
    plain: Path, draft: Path, options: Mapping[str, Any], calibration: Iterator[np.ndarray]
) -> dict[str, Any]:
    """Writes the int8 file of a network that brings its ranges along, as marks.

    Where the quantizer puts a Q/DQ pair that the network has no mark for (inside of a torch module
    that could not be looked into), the range comes from the calibration inputs; `info` names it.

    Raises:
        Unmeasurable: As `quantize_static`.
    """
    import onnx

    model, ranges = strip_marks(onnx.load(str(plain)))
    onnx.save(model, str(plain))
    _quantize(_prepared(plain), draft, options, calibration, ranges)
    placed = activations(onnx.load(str(draft)).graph)
    return {
        "kept": list(options.get("kept", [])),
        "ranges": len(placed.keys() & ranges.keys()),
        "calibrated": sorted(placed.keys() - ranges.keys()),
    }


def activations(graph: Any) -> dict[str, str]:
    """Quantized activation -> name of its scale; the same name is the same scale."""
    weights = {tensor.name for tensor in graph.initializer}
    return {
        node.input[0].removesuffix("_QuantizeLinear_Input"): node.input[1]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in weights
    }


def _prepared(plain: Path) -> Path:
    """The file with its batch normalizations folded and its shapes inferred."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = plain.with_name("prepared.onnx")
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    return prepared


def _quantize(
    prepared: Path,
    draft: Path,
    options: Mapping[str, Any],
    calibration: Iterator[np.ndarray],
    ranges: Mapping[str, tuple[float, int]],
) -> None:
    import numpy as np
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as by_runtime

    graph = onnx.load(str(prepared)).graph
    reader = CalibrationReader(calibration, graph.input[0].name)
    symmetric = options.get("symmetric", False)
    there = {name for node in graph.node for name in node.output} | {graph.input[0].name}
    given = {
        name: [{"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.uint8)}]
        for name, (scale, zero) in ranges.items()
        if name in there
    }
    by_runtime(
        str(prepared),
        str(draft),
        reader,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_operators(),
        per_channel=options["per_channel"],
        reduce_range=options.get("reduce_range", False),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[*nodes_of(graph, options.get("kept", [])), *masked_scores(graph)],
        calibrate_method={
            "minmax": CalibrationMethod.MinMax,
            "entropy": CalibrationMethod.Entropy,
            "percentile": CalibrationMethod.Percentile,
        }[options.get("calibration", "minmax")],
        extra_options={
            "ActivationRestrictedAsymmetric": symmetric,
            "CalibTensorRangeSymmetric": False,
            "CalibPercentile": options.get("percentile", 99.99),
            "CalibStridedMinMax": reader.chunk,
            "TensorQuantOverrides": given,
        },
    )
    model = onnx.load(str(draft))
    if symmetric:
        _check_symmetric(model.graph)
    if options.get("kept"):
        _shield(model.graph)
        onnx.save(model, str(draft))


def _shield(graph: Any) -> None:
    """Keeps float layers float: a Clip that clips nothing, between their input's DQ and them.

    ONNX Runtime puts the float weights of a layer between DQ and Q into 8 bits by itself when it
    loads a file (WeightBiasQuantization): a layer left out here would run in int8 after all.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    makers = {name: node for node in graph.node for name in node.output}
    bounds = []
    nodes = []
    for node in graph.node:
        source = makers.get(node.input[0]) if node.input else None
        weight = makers.get(node.input[1]) if len(node.input) > 1 else None
        rounded = source is not None and source.op_type == "DequantizeLinear"
        if node.op_type in LAYERS and rounded and weight is None:
            bounds = ["shield_low", "shield_high"]
            shielded = f"{node.name}_shielded"
            nodes.append(helper.make_node("Clip", [node.input[0], *bounds], [shielded]))
            node.input[0] = shielded
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    largest = np.finfo(np.float32).max
    for name, value in zip(bounds, (-largest, largest), strict=False):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))


def _check_symmetric(graph: Any) -> None:
    """Every zero point is 0 or 128.

    Raises:
        Unmeasurable: One is not: this ONNX Runtime does not know the option, and says nothing.
    """
    import onnxruntime
    from onnx import numpy_helper

    zeros = {t.name: numpy_helper.to_array(t) for t in graph.initializer if t.data_type == UINT8}
    points = {int(zeros[n.input[2]]) for n in graph.node if n.op_type == "QuantizeLinear"}
    if not points <= {0, 128}:
        raise Unmeasurable(
            f"ONNX Runtime {onnxruntime.__version__} has no symmetric uint8 activations; type "
            "symmetric: false, or install a newer one"
        )


def _operators() -> list[str]:
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted((QLinearOpsRegistry.keys() | QDQRegistry.keys()) - FLOAT)
