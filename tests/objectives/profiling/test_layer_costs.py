"""Costs of layers: they follow the formulas, and add up to the objectives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.inputs import Tokens
from paretune.objectives.macs import count_macs
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.layer_costs import layer_costs

NETWORKS = ("simple_cnn", "mobilenet_v2", "resnet", "vit", "text", "shared", "torchvision_vit")


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_add_up_to_the_objectives(name: str, make_network: Any) -> None:
    model, shape = make_network(name)
    layers = layer_costs(model, shape)
    assert sum(layer.macs for layer in layers) == count_macs(model, shape)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in model.parameters())


def test_costs_of_a_convolution_follow_the_formula() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.ReLU(inplace=True))
    conv, relu = layer_costs(model, (3, 16, 16))
    assert (conv.path, conv.kind, conv.output) == ("0", "Conv2d", (8, 16, 16))
    assert conv.macs == 16 * 16 * 8 * 3 * 9
    assert conv.parameters == 8 * 3 * 9
    assert conv.activations == relu.activations == 8 * 16 * 16
    assert conv.traffic == 4 * (3 * 256 + 8 * 256 + 8 * 3 * 9)
    assert relu.traffic == 4 * 2 * 8 * 256


def test_views_dropout_and_unread_rows_of_an_embedding_cost_nothing() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.drop = nn.Embedding(1000, 4), nn.Dropout()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.drop(self.table(x)).flatten(1)  # type: ignore[no-any-return]

    [table] = layer_costs(Net(), Tokens(6, 1000))
    assert (table.path, table.parameters, table.traffic) == ("table", 4000, 4 * 2 * 6 * 4)


def test_layer_called_twice_counts_twice_and_its_weights_once() -> None:
    conv = nn.Conv2d(3, 3, 1)
    [layer] = layer_costs(nn.Sequential(conv, conv), (3, 4, 4))
    assert (layer.calls, layer.macs, layer.parameters) == (2, 2 * 9 * 16, 12)


def test_counting_and_profiling_do_not_change_model_or_random_state(
    make_network: Any, make_inputs: Any
) -> None:
    model, shape = make_network("simple_cnn")
    before = torch.random.get_rng_state()
    layer_costs(model, shape)
    eager_times(model, make_inputs(shape), seconds=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
