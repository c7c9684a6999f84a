"""The modes `static` and `qat`: weights and activations in 8 bits.

ONNX Runtime's quantizer places the Q/DQ pairs where the runtime fuses them. In a graph that another
tool quantized, convolutions stay in float, and it can be slower than the float network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.attention_scores import masked_scores
from paretune.objectives.runtimes.onnx_quantization.calibration import CalibrationReader
from paretune.objectives.runtimes.onnx_quantization.layers import (
    LAYERS,
    clipped_outputs,
    grouped_transposed,
    nodes_of,
    nodes_within,
)
from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks

if TYPE_CHECKING:
    import numpy as np

UINT8 = 2
"""onnx.TensorProto.UINT8."""

FLOAT = frozenset({"LayerNormalization", "InstanceNormalization", "BatchNormalization"})
"""Operators that are not quantized. ONNX Runtime's quantizer would place Q/DQ pairs around them,
but it has no int8 kernels for them: rounding would cost accuracy and time without any benefit."""


def quantize_static(
    plain: Path,
    draft: Path,
    options: Mapping[str, Any],
    calibration: Iterator[Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    """Writes the int8 file, with ranges measured on calibration inputs.

    Raises:
        Unmeasurable: A layer that should stay in float is not in the file, or there are no inputs.
    """
    _quantize(_prepare(plain), draft, options, calibration, {})
    return {"kept": list(options.get("kept", []))}


def quantize_marked(
    plain: Path,
    draft: Path,
    options: Mapping[str, Any],
    calibration: Iterator[Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    """Writes the int8 file of a network from a file with range marks.

    The quantizer may place a Q/DQ pair that has no mark, for example inside a torch module that
    could not be traced. Its range is measured on calibration inputs, and `info` lists it.

    Raises:
        Unmeasurable: As for `quantize_static`.
    """
    import onnx

    model, ranges = strip_marks(onnx.load(str(plain)))
    onnx.save(model, str(plain))
    _quantize(_prepare(plain), draft, options, calibration, ranges)
    scales = activation_scales(onnx.load(str(draft)).graph)
    return {
        "kept": list(options.get("kept", [])),
        "ranges": len(scales.keys() & ranges.keys()),
        "calibrated": sorted(scales.keys() - ranges.keys()),
    }


def activation_scales(graph: Any) -> dict[str, str]:
    """Returns quantized activation -> name of its scale; those with one name share a range."""
    weights = {tensor.name for tensor in graph.initializer}
    return {
        node.input[0].removesuffix("_QuantizeLinear_Input"): node.input[1]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in weights
    }


def _prepare(plain: Path) -> Path:
    """Writes a file with batch normalizations folded and shapes inferred; returns its path."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = plain.with_name("prepared.onnx")
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    return prepared


def _quantize(
    prepared: Path,
    draft: Path,
    options: Mapping[str, Any],
    calibration: Iterator[Mapping[str, np.ndarray]],
    ranges: Mapping[str, tuple[float, int]],
) -> None:
    import numpy as np
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as by_runtime

    graph = onnx.load(str(prepared)).graph
    reader = CalibrationReader(calibration)
    symmetric = options.get("symmetric", False)
    tensors = {name for node in graph.node for name in node.output}
    tensors |= {value.name for value in graph.input}
    overrides = {
        name: [{"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.uint8)}]
        for name, (scale, zero) in ranges.items()
        if name in tensors
    }
    with np.errstate(divide="ignore", invalid="ignore"):  # masks of -inf have no scale
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
            nodes_to_exclude=[
                *nodes_of(graph, options.get("kept", [])),
                *nodes_within(graph, options.get("keep", [])),
                *masked_scores(graph),
                *grouped_transposed(graph),
                *clipped_outputs(graph),
            ],
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
                "TensorQuantOverrides": overrides,
            },
        )
    model = onnx.load(str(draft))
    if symmetric:
        _check_symmetric(model.graph)
    if options.get("kept") or options.get("keep"):
        _shield(model.graph)
        onnx.save(model, str(draft))


def _shield(graph: Any) -> None:
    """Keeps float layers in float: inserts a Clip without effect between them and their input's DQ.

    Without it the layer would run in int8: ONNX Runtime quantizes float weights between DQ and Q
    when it loads the file (WeightBiasQuantization).
    """
    import numpy as np
    from onnx import helper, numpy_helper

    makers = {name: node for node in graph.node for name in node.output}
    bounds = []
    nodes = []
    for node in graph.node:
        source = makers.get(node.input[0]) if node.input else None
        weight = makers.get(node.input[1]) if len(node.input) > 1 else None
        quantized = source is not None and source.op_type == "DequantizeLinear"
        if node.op_type in LAYERS and quantized and weight is None:
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
    """Checks that every zero point is 0 or 128.

    Raises:
        Unmeasurable: One is not. This ONNX Runtime lacks the option and silently ignores it.
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
