"""Quantized .onnx files: what is in them, and what really runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.calibration import CalibrationReader
from paretune.objectives.runtimes.onnx_quantization.layers import layer_of
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import (
    float_layers,
    load_optimized,
)
from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks
from paretune.objectives.runtimes.onnx_quantization.weight_only import pack_weights
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.rebuild import initial_candidate

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """16 images of noise."""
    return np.random.default_rng(1).normal(size=(16, *SHAPE)).astype(np.float32)


def static(**more: Any) -> dict[str, Any]:
    return {"static": {"calibration": "minmax", "per_channel": True, "reduce_range": True, **more}}


def exported(
    model: nn.Module, folder: Path, quantization: Any, images: np.ndarray
) -> tuple[Path, dict[str, Any]]:
    artifact = OnnxRuntime.export(model, SHAPE, folder / "net.onnx", quantization, iter([images]))
    return artifact.path, dict(artifact.info)


@pytest.mark.parametrize(
    "architecture",
    [
        {"simple_cnn": {"width": 0.25}},
        {"separable_cnn": {"width": 0.25}},
        {"resnet": {"blocks": 1, "width": 8}},
        {"resnet": {"blocks": 1, "width": 8, "shortcut": "padding"}},
        pytest.param({"mobilenet_v2": {"width": 0.1}}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("symmetric", [False, True], ids=["asymmetric", "symmetric"])
def test_static_int8_runs_no_float_layer(
    architecture: dict[str, Any], symmetric: bool, tmp_path: Path, images: np.ndarray
) -> None:
    model = initial_candidate(architecture, SHAPE, 3, seed=0).model
    path, _ = exported(model, tmp_path, static(symmetric=symmetric), images)
    assert float_layers(path) == []


def test_layers_kept_in_float_are_the_only_ones_that_run_in_float(
    tmp_path: Path, images: np.ndarray
) -> None:
    """ONNX Runtime would quantize a float layer between int8 ones by itself."""
    model = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, 3, seed=0).model
    kept = ["3.conv1", "4.shortcut.0"]
    path, info = exported(model, tmp_path, static(kept=kept), images)
    assert len(float_layers(path)) == 2
    assert info["kept"] == kept
    kinds = [node.op_type for node in load_optimized(path).graph.node]
    assert kinds.count("QLinearConv") == 7


def test_layer_that_is_not_in_the_network_cannot_stay_float(
    model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    with pytest.raises(Unmeasurable, match=r'the layer "nowhere".*type keep_float: 0'):
        exported(model, tmp_path, static(kept=["nowhere"]), images)


def test_dynamic_int8_leaves_the_kept_layer_alone(
    model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    options = {"per_channel": False, "reduce_range": False, "kept": ["4"]}
    path, _ = exported(model, tmp_path, {"dynamic": options}, images)
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert kinds.count("ConvInteger") == 1
    assert kinds.count("Conv") == 1


def test_symmetric_activations_have_zero_at_an_end_or_in_the_middle(
    model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path, _ = exported(model, tmp_path, static(symmetric=True), images)
    graph = onnx.load(str(path)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    zeros = {int(values[n.input[2]]) for n in graph.node if n.op_type == "QuantizeLinear"}
    assert zeros == {0, 128}


@pytest.mark.parametrize(("reduced", "largest"), [(False, 127), (True, 64)])
def test_weights_use_the_levels_that_are_allowed(
    reduced: bool, largest: int, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path, _ = exported(model, tmp_path, static(reduce_range=reduced), images)
    tensors = onnx.load(str(path)).graph.initializer
    weights = [
        numpy_helper.to_array(t)
        for t in tensors
        if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1
    ]
    assert len(weights) == 4
    assert all(np.abs(w.astype(int)).max() == largest for w in weights)


@pytest.mark.parametrize(
    ("kind", "bits"), [("float16", 11), ("bfloat16", 8)], ids=["float16", "bfloat16"]
)
def test_half_files_keep_weights_to_so_many_bits_and_compute_in_float(
    kind: str, bits: int, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path, info = exported(model, tmp_path, {kind: {}}, images)
    assert (info["stored"], info["computed"]) == (kind, "float32")
    session = OnnxRuntime.load(path, OnnxRuntime.Params())
    rounded = nn.Sequential(*model)
    dtype = torch.float16 if kind == "float16" else torch.bfloat16
    for parameter in rounded.parameters():
        error = (parameter.to(dtype).float() - parameter).abs()
        assert (
            error <= parameter.abs() * 2.0**-bits + 2.0**-25
        ).all()  # half a unit of the last bit
    assert np.allclose(session(images), model(torch.from_numpy(images)).detach(), atol=0.02)
    assert len(float_layers(path)) == 4


def test_bfloat16_rounds_as_torch_does(tmp_path: Path) -> None:
    from paretune.objectives.runtimes.onnx_quantization.half_precision import _bfloat16

    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(_bfloat16(values), expected)


def test_weight_too_large_for_float16_is_unmeasurable(
    model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    model.get_parameter("8.weight").data[0, 0] = 1e5
    with pytest.raises(Unmeasurable, match="has weights above 65504: no float16"):
        exported(model, tmp_path, {"float16": {}}, images)


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_are_within_half_a_step(bits: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    values, scales = pack_weights(matrix, bits, block=16)
    assert values.shape == (3, 3, 16 * bits // 8)
    if bits == 4:
        values = np.stack([values & 15, values >> 4], axis=-1).reshape(3, 3, 16)
    found = (values.astype(int) - 2 ** (bits - 1)) * scales.reshape(3, 3, 1)
    error = np.abs(found.reshape(3, 48)[:, :40].T - matrix)
    steps = np.repeat(scales.reshape(3, 3), 16, axis=1)[:, :40].T
    assert (error <= steps / 2 + 1e-6).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_weight_only_quantizes_linear_layers_alone(
    bits: int, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path, info = exported(model, tmp_path, {"weight_only": {"bits": bits, "block": 16}}, images)
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert kinds.count("MatMulNBits") == 2
    assert kinds.count("Conv") == 2
    assert info["layers"] == ["/8/Gemm", "/10/Gemm"]
    expected = model(torch.from_numpy(images)).detach().numpy()
    found = OnnxRuntime.load(path, OnnxRuntime.Params())(images)
    tolerance = {4: 0.15, 8: 0.02}[bits] * (expected.max() - expected.min())
    assert np.abs(found - expected).max() < tolerance


def test_weight_only_without_linear_layers_is_unmeasurable(
    tmp_path: Path, images: np.ndarray
) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(Unmeasurable, match="no linear layer has at least 16 inputs; convolutions"):
        exported(model, tmp_path, {"weight_only": {"bits": 4, "block": 16}}, images)


class Marked(nn.Module):
    """A convolution and a linear layer, with marks of known scales."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def mark(tensor: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
            return torch.fake_quantize_per_tensor_affine(tensor, scale, zero, 0, 255)

        features = mark(torch.relu(self.conv(mark(x, 0.0625, 128))), 0.03125, 0)
        return mark(self.linear(mark(features.mean((2, 3)), 0.015625, 0)), 0.125, 100)


def test_marks_are_taken_out_and_their_ranges_taken_over(
    tmp_path: Path, images: np.ndarray
) -> None:
    model = Marked().eval()
    options = {"per_channel": True, "reduce_range": True}
    path, info = exported(model, tmp_path, {"qat": options}, images)
    graph = onnx.load(str(path)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = {
        (float(values[n.input[1]]), int(values[n.input[2]]))
        for n in graph.node
        if n.op_type == "QuantizeLinear"
    }
    assert {(0.0625, 128), (0.03125, 0), (0.125, 100)} <= found
    assert info["ranges"] >= 3
    assert float_layers(path) == []


def test_stripped_graph_computes_what_the_network_without_marks_does(
    tmp_path: Path, images: np.ndarray
) -> None:
    import onnxruntime as ort

    path = OnnxRuntime.export(Marked().eval(), SHAPE, tmp_path / "marked.onnx").path
    model, marks = strip_marks(onnx.load(str(path)))
    kinds = {node.op_type for node in model.graph.node}
    assert not {"QuantizeLinear", "DequantizeLinear"} & kinds
    assert sorted(marks.values()) == [(0.015625, 0), (0.03125, 0), (0.0625, 128), (0.125, 100)]
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(["logits"], {"input": images})[0].shape == (16, 3)


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("/0/Conv", "0"),
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/4/shortcut/shortcut.0/Conv", "4.shortcut.0"),
        ("/blocks.0/mlp/Gemm_1", "blocks.0.mlp"),
        ("/head/MatMul/MatMulAddFusion", "head"),
    ],
)
def test_node_tells_its_module(node: str, module: str) -> None:
    assert layer_of(node) == module


@pytest.mark.parametrize(("count", "chunk"), [(1, 1), (13, 13), (16, 16), (17, 1), (100, 10)])
def test_calibration_comes_in_chunks_of_one_size(count: int, chunk: int) -> None:
    reader = CalibrationReader(iter([np.zeros((count, 2), np.float32)]), "input")
    assert reader.chunk == chunk
    reader.set_range(0, chunk)
    seen = 0
    while (found := reader.get_next()) is not None:
        assert found["input"].shape == (1, 2)
        seen += 1
    assert seen == chunk
