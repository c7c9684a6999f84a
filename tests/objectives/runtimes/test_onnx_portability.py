"""Operators of .onnx files, and the execution providers that run them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from paretune.objectives.runtimes.onnx_portability import (
    PROVIDERS,
    lacking,
    lacking_everywhere,
    operator_counts,
)
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

STATIC = {"static": {"images": 4, "calibration": "minmax", "per_channel": True}}
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3)]
    return nn.Sequential(*layers).eval()


def operators_of(network: nn.Module, folder: Path, quantization: object = None) -> dict[str, int]:
    images = iter([np.random.default_rng(0).normal(size=(4, *SHAPE)).astype(np.float32)])
    file = folder / "net.onnx"
    artifact = OnnxRuntime.export(network, SHAPE, file, quantization, images)  # type: ignore[arg-type]
    operators: dict[str, int] = artifact.info["operators"]
    assert operators == operator_counts(file)
    return operators


def test_float_file_runs_on_every_provider(network: nn.Module, tmp_path: Path) -> None:
    operators = operators_of(network, tmp_path)
    assert operators == {"Conv": 2, "Flatten": 1, "Gemm": 1, "Relu": 1}
    assert all(lacking(operators, name) == {} for name in PROVIDERS)


def test_no_provider_runs_the_convolutions_of_dynamic_int8(
    network: nn.Module, tmp_path: Path
) -> None:
    operators = operators_of(network, tmp_path, {"dynamic": {"per_channel": False}})
    assert operators["ConvInteger"] == 2
    assert "ConvInteger" in lacking_everywhere(operators)
    assert all(lacking(operators, name)["ConvInteger"] == 2 for name in PROVIDERS)


def test_static_int8_runs_on_android_s_accelerators(network: nn.Module, tmp_path: Path) -> None:
    operators = operators_of(network, tmp_path, STATIC)
    assert lacking(operators, "nnapi") == lacking(operators, "qnn") == {}
    assert set(lacking(operators, "coreml")) == {"DequantizeLinear", "QuantizeLinear"}
    assert lacking_everywhere(operators) == []


def test_operators_of_another_domain_have_its_name(tmp_path: Path) -> None:
    model = nn.Linear(32, 8).eval()
    quantization = {"weight_only": {"bits": 8, "block": 16}}
    artifact = OnnxRuntime.export(model, (32,), tmp_path / "net.onnx", quantization)
    operators = artifact.info["operators"]
    assert any(name.startswith("com.microsoft.") for name in lacking_everywhere(operators))


@pytest.mark.parametrize(
    ("operator", "run"),
    [
        ("Split", {"coreml", "nnapi", "qnn"}),
        ("LayerNormalization", {"coreml", "qnn"}),
        ("Elu", {"coreml", "nnapi", "qnn"}),
        ("QLinearConv", {"nnapi"}),
        ("com.microsoft.QLinearAdd", {"nnapi"}),  # it stands outside ONNX's own set
        ("QLinearAdd", set()),
        ("DynamicQuantizeLinear", set()),
    ],
)
def test_operator_runs_where_the_providers_sources_say(operator: str, run: set[str]) -> None:
    assert {name for name in PROVIDERS if not lacking({operator: 1}, name)} == run


def test_operators_inside_a_branch_are_counted(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Erf", ["x"], ["y"])], "b", [], [out])
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [condition, value], [out])
    onnx.save(helper.make_model(graph), str(tmp_path / "net.onnx"))
    assert operator_counts(tmp_path / "net.onnx") == {"Erf": 2, "If": 1}
