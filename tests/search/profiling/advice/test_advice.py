"""Advice names the worst layers, and the changes that help them."""

from __future__ import annotations

import pytest
from torch import nn

from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.search.profiling.advice.advice import advice_for, rejected_text, worst_layers
from paretune.search.profiling.advice.change import Change, TriedFormat
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
    changes = estimated_changes(simple, SHAPE, 10, costs, SIMPLE)
    conv, linear, network = advice_for(
        costs, changes, (TriedFormat("static", 0.5, 0.4, 0.6, 0.25),)
    )
    assert conv.fact == "3 (Conv2d) takes 61 % of the time"
    assert linear.fact == "7 (Linear) holds 96 % of the parameters"
    [separable] = [text for text, change in conv.changes if change.kind is Change.SEPARABLE]
    assert separable.startswith("depthwise separable convolution: 1/8.4 of its MACs; about ")
    [halved] = [change for _, change in conv.changes if change.kind is Change.HALVE]
    # Half of layer 3, and half of layer 7, which reads it: its bytes allow that.
    assert halved.estimate.time == pytest.approx(1 - 0.61 / 2 - 0.19 / 2, abs=0.01)
    [pool] = [text for text, change in linear.changes if change.kind is Change.POOL]
    assert "smaller" in pool
    assert {change.kind for _, change in network.changes} == {Change.HALVE_ALL, Change.FORMAT}


def test_advice_is_for_the_whole_network_when_no_layer_dominates() -> None:
    times = {str(i): 1.0 for i in range(10)}
    costs = network_costs(build_network({"resnet": {}}, SHAPE, 10, 0), times)
    assert worst_layers(costs) == []
    [network] = advice_for(costs, [])
    assert network.fact.startswith("The whole network (no layer takes more than 10 %")
    assert network.heading.endswith(": no change saves 3 % or more")


FASTER = TriedFormat("static", 0.48, 0.47, 0.49, 0.25)
EQUAL = TriedFormat("float16", 1.0, 0.99, 1.01, 0.5)
SLOWER = TriedFormat("dynamic", 2.6, 2.5, 2.7, 0.27)
REFUSED = TriedFormat("static", reason="the operator Foo has no int8 kernel")


def _network_advice(*formats: TriedFormat) -> tuple[tuple[str, str], ...]:
    """Returns text and space line of each change that is advised for the network."""
    costs = network_costs(build_network(SIMPLE, SHAPE, 10, seed=0), {"0": 1.0})
    *_, network = advice_for(costs, [], formats)
    return tuple((text, change.space_line) for text, change in network.changes)


def test_formats_are_advised_with_their_measured_times_in_one_line() -> None:
    [(text, line)] = _network_advice(FASTER, EQUAL, SLOWER)
    assert text == (
        "number formats, tried here: static int8 52 % less time, a file 4.0x smaller; "
        "float16 about the same time, a file 2.0x smaller"
    )
    assert line == "quantization: {choice: [none, static, float16]}"


def test_formats_that_are_slower_or_refused_are_left_out_with_the_reason() -> None:
    assert _network_advice(SLOWER) == () == _network_advice(REFUSED)
    assert rejected_text([FASTER, SLOWER]) == (
        "Tried here and left out: dynamic int8 takes 2.6x the time."
    )
    assert "static int8 cannot be deployed (the operator Foo has no" in rejected_text([REFUSED])
    assert rejected_text([FASTER, EQUAL]) == ""


def test_format_without_any_gain_is_not_advised() -> None:
    assert _network_advice(TriedFormat("float16", 1.0, 0.98, 1.01, 1.0)) == ()
