"""Attribution of the optimized graph's nodes to layers."""

from __future__ import annotations

from typing import Any

import onnx
import pytest

from paretune.objectives.profiling.attribution import PRODUCTS, Attribution
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import load_optimized

STATIC = {"static": {"per_channel": True}}
DYNAMIC = {"dynamic": {"per_channel": True}}


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
def test_products_are_attributed_to_exactly_the_layers_with_multiply_adds(
    name: str, quantization: dict[str, Any] | None, make_network: Any, export: Any
) -> None:
    model, shape = make_network(name)
    path = export(model, shape, quantization)
    graph = load_optimized(path).graph
    modules = {n for n, _ in model.named_modules()}
    attribution = Attribution(onnx.load(str(path)).graph, graph, modules)
    products = [n for n in graph.node if any(p in n.op_type for p in PRODUCTS)]
    layers = {layer.path for layer in layer_costs(model, shape) if layer.macs}
    assert {attribution.path(n.name) for n in products} == layers
