"""Static int8 files: what is in them, and what ONNX Runtime runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import (
    float_layers,
    load_optimized,
)
from paretune.spaces.rebuild import initial_candidate

SHAPE = (1, 8, 8)


def static(**more: Any) -> dict[str, Any]:
    return {"static": {"calibration": "minmax", "per_channel": True, "reduce_range": True, **more}}


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
def test_no_layer_runs_in_float(architecture: dict[str, Any], symmetric: bool, export: Any) -> None:
    model = initial_candidate(architecture, SHAPE, 3, seed=0).model
    path, _ = export(model, static(symmetric=symmetric))
    assert float_layers(path) == []


def test_only_layers_kept_in_float_run_in_float(export: Any) -> None:
    """ONNX Runtime would itself quantize a float layer between int8 layers."""
    model = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, 3, seed=0).model
    kept = ["3.conv1", "4.shortcut.0"]
    path, info = export(model, static(kept=kept))
    assert len(float_layers(path)) == 2
    assert info["kept"] == kept
    kinds = [node.op_type for node in load_optimized(path).graph.node]
    assert kinds.count("QLinearConv") == 7


def test_layer_to_keep_in_float_must_be_in_the_network(model: nn.Module, export: Any) -> None:
    with pytest.raises(Unmeasurable, match=r'the layer "nowhere".*type keep_float: 0'):
        export(model, static(kept=["nowhere"]))


def test_symmetric_activations_have_zero_points_0_or_128(model: nn.Module, export: Any) -> None:
    path, _ = export(model, static(symmetric=True))
    graph = onnx.load(str(path)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    zeros = {int(values[n.input[2]]) for n in graph.node if n.op_type == "QuantizeLinear"}
    assert zeros == {0, 128}


@pytest.mark.parametrize(("reduced", "largest"), [(False, 127), (True, 64)])
def test_weights_use_the_allowed_range(
    reduced: bool, largest: int, model: nn.Module, export: Any
) -> None:
    path, _ = export(model, static(reduce_range=reduced))
    tensors = onnx.load(str(path)).graph.initializer
    weights = [
        numpy_helper.to_array(t)
        for t in tensors
        if t.data_type == onnx.TensorProto.INT8 and len(t.dims) > 1
    ]
    assert len(weights) == 4
    assert all(np.abs(w.astype(int)).max() == largest for w in weights)


@pytest.mark.parametrize("per_channel", [True, False])
def test_transposed_convolution_with_groups_stays_in_float(export: Any, per_channel: bool) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ConvTranspose2d(8, 12, 4, stride=2, padding=1, groups=4),
        nn.ReLU(),
        nn.Conv2d(12, 4, 3),
        nn.Flatten(),
        nn.Linear(4 * 14 * 14, 3),
    ).eval()
    path, _ = export(model, static(per_channel=per_channel))
    nodes = onnx.load(str(path)).graph.node
    [transposed] = [node for node in nodes if node.op_type == "ConvTranspose"]
    weights = {tensor.name for tensor in onnx.load(str(path)).graph.initializer}
    assert transposed.input[1] in weights  # not from a DequantizeLinear
    assert sum(node.op_type == "DequantizeLinear" for node in nodes) > 0
