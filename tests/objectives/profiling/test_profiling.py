"""Profiles: counts that add up, and times that are said of the layer that took them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.inputs import Shape
from paretune.objectives.macs import count_macs
from paretune.objectives.profiling.attribution import PRODUCTS, Attribution
from paretune.objectives.profiling.base import NetworkPart, Times, shares
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.profiling.module_names import module_of
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.profiling.paired_runs import faster_half, run_pairs
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import load_optimized
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.architecture.network import build_network

STATIC = {"static": {"per_channel": True}}
DYNAMIC = {"dynamic": {"per_channel": True}}
IMAGES: Shape = (3, 32, 32)
TEXTS: Shape = (16, 100)

NETWORKS: dict[str, tuple[dict[str, Any], Shape]] = {
    "simple_cnn": ({"simple_cnn": {"width": 0.25}}, IMAGES),
    "mobilenet_v2": ({"torchvision": {"name": "mobilenet_v2"}}, IMAGES),
    "resnet": ({"resnet": {"blocks": 1, "width": 8}}, IMAGES),
    "vit": ({"vit": {"depth": 1, "width": 48}}, IMAGES),
    "text": ({"text_transformer": {"layers": 2, "width": 32, "heads": 2}}, TEXTS),
    "shared": ({"text_transformer": {"layers": 2, "width": 32, "share": "all"}}, TEXTS),
}


def network(name: str) -> tuple[nn.Module, Shape]:
    if name == "torchvision_vit":
        from torchvision.models import VisionTransformer

        return VisionTransformer(32, 16, 1, 2, 32, 64, num_classes=10).eval(), IMAGES
    architecture, shape = NETWORKS[name]
    return build_network(architecture, shape, 10, seed=0), shape


def inputs_of(shape: Shape) -> np.ndarray:
    draw = np.random.default_rng(0)
    if len(shape) == 3:
        return draw.normal(size=(1, *shape)).astype(np.float32)
    return draw.integers(1, shape[1], (1, shape[0]))


def exported(
    model: nn.Module, shape: Shape, path: Path, quantization: dict[str, Any] | None = None
) -> Path:
    def calibration() -> Iterator[np.ndarray]:
        yield np.random.default_rng(1).normal(size=(8, *shape)).astype(np.float32)

    OnnxRuntime.export(model, shape, path, quantization, calibration())
    return path


class Heavy(nn.Module):
    """A network of which one convolution does 99 % of the multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 1)
        self.heavy = nn.Conv2d(64, 64, 7, padding=3)
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.norm(self.heavy(x)) + x)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


# -- counts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*NETWORKS, "torchvision_vit"])
def test_layers_add_up_to_the_objectives(name: str) -> None:
    model, shape = network(name)
    layers = layer_costs(model, shape)
    assert sum(layer.macs for layer in layers) == count_macs(model, shape)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in model.parameters())


def test_a_convolution_costs_what_the_formula_says() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(inplace=True))
    conv, relu = layer_costs(model, (3, 16, 16))
    assert (conv.path, conv.kind, conv.output) == ("0", "Conv2d", (8, 16, 16))
    assert conv.macs == 16 * 16 * 8 * 3 * 9
    assert conv.parameters == 8 * 3 * 9
    assert conv.activations == relu.activations == 8 * 16 * 16
    assert conv.traffic == 4 * (3 * 256 + 8 * 256 + 8 * 3 * 9)
    assert relu.traffic == 4 * 2 * 8 * 256


def test_views_dropout_and_unread_rows_of_a_table_cost_nothing() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.drop = nn.Embedding(1000, 4), nn.Dropout()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.drop(self.table(x)).flatten(1)  # type: ignore[no-any-return]

    [table] = layer_costs(Net(), (6, 1000))
    assert (table.path, table.parameters, table.traffic) == ("table", 4000, 4 * 2 * 6 * 4)


def test_a_layer_that_runs_twice_counts_twice_and_its_weights_once() -> None:
    layer = nn.Conv2d(3, 3, 1)
    [found] = layer_costs(nn.Sequential(layer, layer), (3, 4, 4))
    assert (found.calls, found.macs, found.parameters) == (2, 2 * 9 * 16, 12)


def test_counting_leaves_model_and_random_state_alone() -> None:
    model, shape = network("simple_cnn")
    before = torch.random.get_rng_state()
    layer_costs(model, shape)
    eager_times(model, inputs_of(shape), seconds=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("/0/Conv_token_1", "0"),
        ("fused /7/Gemm", "7"),
        ("/features/features.0/features.0.2/Clip_output_0_nchwc", "features.0.2"),
        ("/blocks.0/attention/query/MatMul", "blocks.0.attention.query"),
        ("/blocks.0/attention/Softmax", "blocks.0.attention"),
        ("/Add_1", ""),
        ("ReorderOutput", None),
    ],
)
def test_module_of_reads_names_of_the_exporter_and_of_the_runtime(
    name: str, module: str | None
) -> None:
    known = {"0", "7", "features", "features.0", "features.0.2"}
    known |= {"blocks", "blocks.0", "blocks.0.attention", "blocks.0.attention.query"}
    assert module_of(name, known) == module


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("mobilenet_v2", None),
        ("resnet", None),
        ("resnet", STATIC),
        ("resnet", DYNAMIC),
        ("vit", None),
        ("vit", STATIC),
        ("text", DYNAMIC),
    ],
)
def test_every_product_of_the_optimized_graph_is_said_of_a_layer_that_has_one(
    name: str, quantization: dict[str, Any] | None, tmp_path: Path
) -> None:
    """Each layer with multiply-adds has a node, and no product is said of another layer."""
    model, shape = network(name)
    path = exported(model, shape, tmp_path / "net.onnx", quantization)
    import onnx

    graph = load_optimized(path).graph
    modules = {n for n, _ in model.named_modules()}
    found = Attribution(onnx.load(str(path)).graph, graph, modules)
    busy = {layer.path for layer in layer_costs(model, shape) if layer.macs}
    products = [n for n in graph.node if any(p in n.op_type for p in PRODUCTS)]
    owners = {found.path(n.name) for n in products}
    assert owners == busy


# -- times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantization", [None, STATIC], ids=["float", "static"])
def test_onnx_profile_names_the_layer_that_dominates(
    quantization: dict[str, Any] | None, tmp_path: Path
) -> None:
    model = Heavy().eval()
    path = exported(model, IMAGES, tmp_path / "net.onnx", quantization)
    modules = {n for n, _ in model.named_modules()}
    times = onnx_times(path, OnnxRuntime.Params(), inputs_of(IMAGES), modules, seconds=0.1)
    check_dominates(times)


@pytest.mark.heavy
@pytest.mark.parametrize("quantization", [None, STATIC], ids=["float", "static"])
def test_openvino_profile_names_the_layer_that_dominates(
    quantization: dict[str, Any] | None, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    from paretune.objectives.profiling.openvino_profile import openvino_times
    from paretune.objectives.runtimes.openvino import OpenVino

    model = Heavy().eval()
    path = exported(model, IMAGES, tmp_path / "net.onnx", quantization)
    modules = {n for n, _ in model.named_modules()}
    times = openvino_times(path, OpenVino.Params(), inputs_of(IMAGES), modules, seconds=0.1)
    check_dominates(times)
    assert times.by_layer()["head"] > 0, "the last node has the name of the output"


def test_eager_profile_names_the_layer_that_dominates() -> None:
    times = eager_times(Heavy(), inputs_of(IMAGES), seconds=0.1)
    check_dominates(times)
    assert max(times.by_operator(), key=times.by_operator().__getitem__) == "conv2d"


def check_dominates(times: Times) -> None:
    by_layer = times.by_layer()
    assert max(by_layer, key=by_layer.__getitem__) == "heavy"
    assert sum(shares(by_layer).values()) == pytest.approx(1)
    assert sum(shares(times.by_operator()).values()) == pytest.approx(1)
    assert sum(by_layer.values()) == pytest.approx(times.total)
    assert times.runs >= 6 and times.whole > 0 and times.between >= 0


def test_time_outside_of_layers_is_not_that_of_profiling() -> None:
    parts = (NetworkPart("a", "Conv", 3.0),)
    assert Times("x", parts, between=2.0, whole=4.0, profiled=5.0, runs=1).outside == 1.0
    assert Times("x", parts, between=0.5, whole=4.0, profiled=3.5, runs=1).outside == 0.5
    assert Times("x", parts, between=0.5, whole=2.0, profiled=3.5, runs=1).outside == 0.0
    assert Times("x", parts, between=2.0, whole=4.0, profiled=5.0, runs=1).overhead == 0.25


def test_threads_of_torch_are_set_back() -> None:
    before = torch.get_num_threads()
    eager_times(nn.Linear(2, 2), np.zeros((1, 2), np.float32), threads=2, seconds=0)
    assert torch.get_num_threads() == before


def test_faster_half_adds_up_calls_of_a_run_and_takes_quartiles_of_parts() -> None:
    def run(ms: float, conv: float) -> tuple[float, list[NetworkPart]]:
        return ms, [
            NetworkPart("a", "Conv", conv),
            NetworkPart("a", "Conv", 1.0),
            NetworkPart("b", "Relu", 0.5),
        ]

    half = faster_half([run(4, 2), run(90, 80), run(5, 3), run(6, 4), run(99, 90)])
    assert (half.ms, half.count, half.between) == (5, 5, 0.5)
    assert half.parts == (NetworkPart("a", "Conv", 4.0), NetworkPart("b", "Relu", 0.5))


def test_turns_runs_both_sides_equally_often() -> None:
    calls: list[str] = []
    note: Callable[[str], Callable[[], None]] = lambda side: lambda: calls.append(side)  # noqa: E731
    _, having = run_pairs(note("plain"), note("profiled"), seconds=0)
    assert calls.count("plain") == calls.count("profiled") > len(having)
    assert shares({"a": 0.0}) == {"a": 0.0}
