"""Estimates agree with numbers worked out by hand from the rules in the module's docstring."""

from __future__ import annotations

import pytest

from paretune.objectives.profiling.base import LayerCosts
from paretune.search.profiling.advice.estimates import (
    NetworkCosts,
    estimate_change,
)


def layer(path: str, macs: int, traffic: int, parameters: int = 0) -> LayerCosts:
    return LayerCosts(path, "Conv2d" if macs else "ReLU", parameters, macs, 0, traffic)


CONV = layer("conv", macs=8_000, traffic=400, parameters=900)
COPY = layer("copy", macs=0, traffic=1_000)
LINEAR = layer("linear", macs=1_000, traffic=4_000, parameters=1_000)

COSTS = NetworkCosts(
    (CONV, COPY, LINEAR), {"conv": 8.0, "copy": 2.0, "linear": 4.0}, between=2.0, bytes=8_000
)
"""16 ms in all; the fastest moves 1,000 bytes per ms; 400 bytes of the file are not weights."""


def test_unchanged_network_keeps_its_costs() -> None:
    estimate = estimate_change(COSTS, COSTS.layers)
    assert (estimate.time, estimate.macs, estimate.parameters, estimate.size) == (1, 1, 1, 1)


def test_half_the_multiply_adds_of_a_layer_take_half_its_time() -> None:
    estimate = estimate_change(COSTS, [layer("conv", 4_000, 300, 450), COPY, LINEAR], "conv")
    assert estimate.time == pytest.approx((4 + 2 + 4 + 2) / 16)
    assert estimate.macs == pytest.approx(5_000 / 9_000)
    assert estimate.layer_macs == 0.5
    assert estimate.size == pytest.approx((8_000 - 4 * 450) / 8_000)


def test_memory_bound_layer_takes_the_time_of_its_bytes() -> None:
    """A tenth of the multiply-adds, three quarters of the bytes: 3 of 4 ms remain."""
    estimate = estimate_change(COSTS, [CONV, COPY, layer("linear", 100, 3_000, 1_000)])
    assert estimate.time == pytest.approx((8 + 2 + 3 + 2) / 16)


def test_layer_without_multiply_adds_takes_the_time_of_its_bytes() -> None:
    estimate = estimate_change(COSTS, [CONV, layer("copy", 0, 500), LINEAR])
    assert estimate.time == pytest.approx((8 + 1 + 4 + 2) / 16)


def test_new_layers_have_the_speed_of_the_replaced_one_and_take_some_time() -> None:
    new = [layer("conv.0", 10, 10), layer("conv.1", 4_000, 100)]
    estimate = estimate_change(COSTS, [*new, COPY, LINEAR], "conv")
    assert estimate.time == pytest.approx((2 + 4 + 2 + 4 + 2) / 16)  # 2 ms: the quickest layer
    assert estimate.layer_macs == pytest.approx(4_010 / 8_000)


def test_time_of_uncounted_work_stays_and_a_fused_layer_takes_none() -> None:
    layers = (CONV, layer("act", 0, 800))
    costs = NetworkCosts(layers, {"conv": 8.0, "reorder": 2.0}, 0.0, 3_600)
    estimate = estimate_change(costs, [layer("conv", 4_000, 10), layer("act", 0, 400)])
    assert estimate.time == pytest.approx((4 + 2) / 10)


def test_quantized_file_keeps_its_bytes_per_parameter() -> None:
    costs = NetworkCosts((LINEAR,), {"linear": 1.0}, 0.0, bytes=1_000)
    estimate = estimate_change(costs, [layer("linear", 500, 2_000, 500)])
    assert estimate.size == pytest.approx(0.5)
