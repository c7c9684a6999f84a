"""Estimates: worked out by hand, by the rules that the module states."""

from __future__ import annotations

import pytest

from paretune.objectives.profiling.base import LayerCosts
from paretune.search.profiling.advice.gains import Sheet, estimate, estimate_int8


def layer(path: str, macs: int, traffic: int, parameters: int = 0) -> LayerCosts:
    return LayerCosts(path, "Conv2d" if macs else "ReLU", parameters, macs, 0, traffic)


CONV = layer("conv", macs=8_000, traffic=400, parameters=900)
COPY = layer("copy", macs=0, traffic=1_000)
FC = layer("fc", macs=1_000, traffic=4_000, parameters=1_000)

SHEET = Sheet((CONV, COPY, FC), {"conv": 8.0, "copy": 2.0, "fc": 4.0}, between=2.0, bytes=8_000)
"""16 ms in all; the fastest moves 1,000 bytes a ms; 400 bytes of the file are no weights."""


def test_nothing_changed_is_estimated_to_leave_everything() -> None:
    found = estimate(SHEET, SHEET.layers)
    assert (found.time, found.macs, found.parameters, found.size) == (1, 1, 1, 1)


def test_half_the_multiply_adds_of_a_layer_leave_the_rest_as_it_is() -> None:
    found = estimate(SHEET, [layer("conv", 4_000, 300, 450), COPY, FC], "conv")
    assert found.time == pytest.approx((4 + 2 + 4 + 2) / 16)
    assert found.macs == pytest.approx(5_000 / 9_000)
    assert found.layer_macs == 0.5
    assert found.size == pytest.approx((8_000 - 4 * 450) / 8_000)


def test_a_layer_bound_by_memory_gains_no_more_than_its_bytes() -> None:
    """A tenth of its multiply-adds, three quarters of its bytes: 3 of its 4 ms stay."""
    found = estimate(SHEET, [CONV, COPY, layer("fc", 100, 3_000, 1_000)])
    assert found.time == pytest.approx((8 + 2 + 3 + 2) / 16)


def test_a_layer_without_multiply_adds_goes_by_its_bytes() -> None:
    found = estimate(SHEET, [CONV, layer("copy", 0, 500), FC])
    assert found.time == pytest.approx((8 + 1 + 4 + 2) / 16)


def test_new_layers_compute_as_fast_as_the_one_they_replace_but_take_some_time() -> None:
    new = [layer("conv.0", 10, 10), layer("conv.1", 4_000, 100)]
    found = estimate(SHEET, [*new, COPY, FC], "conv")
    assert found.time == pytest.approx((2 + 4 + 2 + 4 + 2) / 16)  # 2 ms: the quickest there is
    assert found.layer_macs == pytest.approx(4_010 / 8_000)


def test_time_of_what_is_no_layer_stays_and_a_fused_layer_takes_none() -> None:
    sheet = Sheet((CONV, layer("act", 0, 800)), {"conv": 8.0, "reorder": 2.0}, 0.0, 3_600)
    found = estimate(sheet, [layer("conv", 4_000, 10), layer("act", 0, 400)])
    assert found.time == pytest.approx((4 + 2) / 10)


def test_int8_quarters_what_bytes_take_and_speeds_up_the_rest_of_products() -> None:
    """conv: 0.4 ms for bytes, 7.6 for multiply-adds; fc: 4 ms for bytes."""
    found = estimate_int8(SHEET, speed=2.0)
    assert found.time == pytest.approx((0.1 + 3.8 + 2 + 1 + 2) / 16)
    assert found.size == pytest.approx((400 + 1_900) / 8_000)


def test_a_quantized_file_is_counted_by_what_a_parameter_takes_in_it() -> None:
    sheet = Sheet((FC,), {"fc": 1.0}, 0.0, bytes=1_000)
    found = estimate(sheet, [layer("fc", 500, 2_000, 500)])
    assert found.size == pytest.approx(0.5)
