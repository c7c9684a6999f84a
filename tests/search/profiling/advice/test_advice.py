"""Advice names the worst layers, and the changes that help them."""

from __future__ import annotations

import pytest
from torch import nn

from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.search.profiling.advice.advice import advice_for, worst_layers
from paretune.search.profiling.advice.change import Change
from paretune.search.profiling.advice.estimated_changes import estimated_changes
from paretune.search.profiling.advice.estimates import NetworkCosts
from paretune.spaces.architecture.network import build_network

SHAPE = (3, 32, 32)
SIMPLE = {"simple_cnn": {"width": 1.0}}


def network_costs(model: nn.Module, ms: dict[str, float]) -> NetworkCosts:
    layers = layer_costs(model, SHAPE)
    return NetworkCosts(layers, ms, 0.0, 4.0 * sum(layer.parameters for layer in layers))


def test_advice_names_the_worst_layers_and_the_gain_of_each_change() -> None:
    simple = build_network(SIMPLE, SHAPE, 10, seed=0)
    costs = network_costs(simple, {"0": 0.1, "3": 0.61, "7": 0.19, "9": 0.1})
    changes = estimated_changes(simple, SHAPE, 10, costs, SIMPLE, ("static",))
    conv, linear, network = advice_for(costs, changes)
    assert conv.fact == "3 (Conv2d) takes 61 % of the time"
    assert linear.fact == "7 (Linear) holds 96 % of the parameters"
    [separable] = [text for text, change in conv.changes if change.kind is Change.SEPARABLE]
    assert separable.startswith("depthwise separable convolution: 1/8.4 of its MACs; about ")
    [halved] = [change for _, change in conv.changes if change.kind is Change.HALVE]
    # Half of layer 3, and half of layer 7, which reads it: its bytes allow that.
    assert halved.estimate.time == pytest.approx(1 - 0.61 / 2 - 0.19 / 2, abs=0.01)
    [pool] = [text for text, change in linear.changes if change.kind is Change.POOL]
    assert "smaller" in pool
    assert {change.kind for _, change in network.changes} == {Change.HALVE_ALL, Change.INT8}


def test_advice_is_for_the_whole_network_when_no_layer_dominates() -> None:
    times = {str(i): 1.0 for i in range(10)}
    costs = network_costs(build_network({"resnet": {}}, SHAPE, 10, 0), times)
    assert worst_layers(costs) == []
    [network] = advice_for(costs, [])
    assert network.fact.startswith("The whole network (no layer takes more than 10 %")
    assert network.heading.endswith(": no change saves 3 % or more")
