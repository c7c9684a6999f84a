"""Modules that a task keeps stay in float in int8 files, with everything inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from paretune.inputs import Shape, call, random_example, signature_of
from paretune.nests import leaves, mapped
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import check_mode
from paretune.objectives.runtimes.executorch import ExecuTorch
from paretune.objectives.runtimes.litert import LiteRt
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from support.user_networks import USER_NETWORKS, FeaturesToo

INT8: dict[str, dict[str, Any]] = {
    "static": {"per_channel": True, "reduce_range": True},
    "dynamic": {"per_channel": False},
    "weight_only": {"bits": 8, "block": 16},
}

IMAGE = (3, 16, 16)


def export(model: nn.Module, shape: Shape, path: Path, mode: str, **options: Any) -> Any:
    """Writes the file and returns its graph."""
    calibration = (mapped(random_example(shape, 8, seed), torch.Tensor.numpy) for seed in range(4))
    quantization = {mode: {**INT8[mode], **options}}
    OnnxRuntime.export(model.eval(), shape, path, quantization, calibration)
    return onnx.load(str(path)).graph


def float_layers(graph: Any) -> set[str]:
    """Returns the scopes of Conv, Gemm and MatMul nodes with a float weight."""
    constants = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    return {
        node.name.strip("/").rpartition("/")[0]
        for node in graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in constants
    }


def rounded_within(graph: Any, scope: str) -> list[str]:
    """Returns the tensors of a scope that are quantized."""
    return [
        node.input[0]
        for node in graph.node
        if node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear")
        and node.input[0].startswith(scope)
    ]


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_kept_heads_of_a_detector_stay_in_float(mode: str, tmp_path: Path) -> None:
    model = USER_NETWORKS["detector_dict"].make()
    graph = export(model, IMAGE, tmp_path / "kept.onnx", mode, keep=["heads"])
    layers = {scope.rpartition("/")[2] for scope in float_layers(graph)}
    names = ("tower.0", "classes", "boxes", "center")
    assert layers == {f"heads.{level}.{name}" for level in (0, 1) for name in names}
    free = export(model, IMAGE, tmp_path / "free.onnx", mode)
    assert float_layers(free) == set()


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_layer_with_a_batch_normalization_is_kept_in_a_list_of_lists(
    mode: str, tmp_path: Path
) -> None:
    """The exporter folds the normalization, and would name both layers after `conv` alone."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.heads = nn.ModuleList([nn.ModuleDict({"conv": self._layer()}) for _ in range(2)])

        @staticmethod
        def _layer() -> nn.Module:
            return nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), nn.ReLU())

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            y = self.conv(x).relu()
            return [head["conv"](y) for head in self.heads]

    graph = export(Net(), IMAGE, tmp_path / "kept.onnx", mode, keep=["heads.1"])
    assert float_layers(graph) == {"heads.1.conv/heads.1.conv.0"}
    graph = export(Net(), IMAGE, tmp_path / "other.onnx", mode, keep=["conv"])
    assert float_layers(graph) == {"conv"}


def test_second_call_of_a_kept_module_is_kept(tmp_path: Path) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Sequential(nn.Conv2d(8, 4, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.stem(x)
            return torch.cat([self.head(y), self.head(y.relu())], 1)

    graph = export(Twice(), IMAGE, tmp_path / "kept.onnx", "dynamic", keep=["head"])
    assert float_layers(graph) == {"head/head.0", "head/head.0_1"}


def test_operations_inside_a_kept_module_are_not_rounded(tmp_path: Path) -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.a(x).relu() + self.b(x).sigmoid()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), Head()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.head(self.stem(x).relu())
            return y

    torch.manual_seed(0)
    model = Net()
    graph = export(model, IMAGE, tmp_path / "kept.onnx", "static", keep=["head"])
    assert rounded_within(graph, "/head/") == []
    free = export(model, IMAGE, tmp_path / "free.onnx", "static")
    assert rounded_within(free, "/head/")


def test_weight_only_leaves_kept_linear_layers(tmp_path: Path) -> None:
    example = USER_NETWORKS["decoder"]
    model = example.make()
    free = export(model, example.shape, tmp_path / "free.onnx", "weight_only")
    kept = export(model, example.shape, tmp_path / "kept.onnx", "weight_only", keep=["blocks.1"])
    counts = [sum(n.op_type == "MatMulNBits" for n in graph.node) for graph in (free, kept)]
    assert counts[0] - counts[1] == 6


def test_weight_used_without_its_module_is_kept(tmp_path: Path) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x).relu()
            return nn.functional.conv2d(y, self.second.weight)

    graph = export(Functional(), IMAGE, tmp_path / "kept.onnx", "static", keep=["second"])
    assert len(float_layers(graph)) == 1


def test_kept_module_that_does_not_run_is_refused(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(Unmeasurable, match="auxiliary, which `keep` names, is not in the exported"):
        export(model, IMAGE, tmp_path / "kept.onnx", "static", keep=["auxiliary"])


@pytest.mark.parametrize("runtime", [ExecuTorch, LiteRt])
@pytest.mark.parametrize(("key", "source"), [("keep", "the task"), ("kept", "keep_float")])
def test_runtime_that_rounds_all_layers_refuses_kept_ones(
    runtime: Any, key: str, source: str
) -> None:
    request = {"static": {**INT8["static"], key: ["head"]}}
    text = f"{runtime.name} quantizes all layers, and {source} keeps head"
    with pytest.raises(Unmeasurable, match=text):
        check_mode(runtime, request)


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_every_output_of_an_int8_file_has_its_range(mode: str, tmp_path: Path) -> None:
    """The features are an output, and a Relu reads them: their negative values stay."""
    torch.manual_seed(0)
    model = FeaturesToo()
    export(model, IMAGE, tmp_path / "two.onnx", mode)
    session = OnnxRuntime.load(tmp_path / "two.onnx", OnnxRuntime.Params())
    inputs = random_example(IMAGE, 4, seed=9)
    with torch.inference_mode():
        expected = [output.numpy() for output in leaves(call(model.eval(), inputs))]
    for output, exact in zip(session(inputs.numpy()), expected, strict=True):
        assert np.abs(output - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["wave", "two_inputs", "ratings"])
@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_int8_file_of_a_user_network_is_near_its_float_outputs(
    name: str, mode: str, tmp_path: Path
) -> None:
    example = USER_NETWORKS[name]
    torch.manual_seed(0)
    model = example.make().eval()
    export(model, example.shape, tmp_path / "int8.onnx", mode)
    session = OnnxRuntime.load(tmp_path / "int8.onnx", OnnxRuntime.Params())
    inputs = random_example(example.shape, 4, seed=9)
    outputs = session(*signature_of(example.shape).flat(mapped(inputs, torch.Tensor.numpy)))
    with torch.inference_mode():
        expected = [output.numpy() for output in leaves(call(model, inputs))]
    for output, exact in zip(
        outputs if isinstance(outputs, tuple) else (outputs,), expected, strict=True
    ):
        assert np.abs(output - exact).max() < 0.06 * np.abs(exact).max()
