"""Numbers with their units, as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.objectives.base import Measurement
from paretune.search.study.units import (
    format_about,
    format_chance,
    format_interval,
    format_quantity,
    format_times,
    format_value,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.978, "fraction", "97.80 %"),
        (1.0, "fraction", "100.00 %"),
        (0.0, "fraction", "0.00 %"),
        (0.0015, "ms", "0.0015 ms"),
        (0.182, "ms", "0.182 ms"),
        (1.0, "ms", "1.00 ms"),
        (12.345, "ms", "12.35 ms"),
        (123.4, "ms", "123 ms"),
        (999.4, "ms", "999 ms"),
        (999.6, "ms", "1 s"),
        (1234.0, "ms", "1.23 s"),
        (1_234_567.0, "ms", "1235 s"),
        (512, "bytes", "512 B"),
        (1000, "bytes", "1.00 KB"),
        (61_200, "bytes", "61.2 KB"),
        (612_000, "bytes", "612 KB"),
        (8_700_000, "bytes", "8.70 MB"),
        (2.5e9, "bytes", "2.50 GB"),
        (134, "parameters", "134"),
        (134_000, "parameters", "134 k"),
        (2_214_000, "MACs", "2.21 M"),
        (3.4567, "W", "3.457 W"),
        (3.4567, "", "3.457"),
    ],
)
def test_value_is_shown_in_its_unit(value: float, unit: str, text: str) -> None:
    assert format_value(value, unit) == text


@given(value=st.floats(0.001, 1e7))
def test_shown_milliseconds_are_the_value(value: float) -> None:
    number, suffix = format_value(value, "ms").split(" ")

    assert re.fullmatch(r"\d+(\.\d+)?", number)
    shown = float(number) * {"ms": 1, "s": 1e3}[suffix]
    assert shown == pytest.approx(value, rel=0.006, abs=6e-5)


@given(value=st.integers(0, 10**12))
def test_shown_bytes_are_the_value(value: int) -> None:
    number, suffix = format_value(value, "bytes").split(" ")

    shown = float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[suffix]
    assert shown == pytest.approx(value, rel=0.006)


def measured(value: float, low: float, high: float, unit: str) -> Measurement:
    return Measurement("made-up", value, unit, "lower", low, high, count=10)


@pytest.mark.parametrize(
    ("measurement", "text"),
    [
        (measured(0.97, 0.961, 0.989, "fraction"), "96.1-98.9 %"),
        (measured(2.0, 1.9, 2.1, "ms"), "± 5.0 %"),
        (measured(0.0, 0.0, 1.0, "ms"), "0 to 1.00 ms"),
        (measured(3.0, 2.5, 3.5, "W"), "± 16.7 %"),
        (measured(2.83e7, 2.82e7, 2.85e7, "bytes"), "± 0.5 %"),
        (measured(1000, 1000, 1000, "bytes"), ""),
    ],
)
def test_interval_is_empty_or_in_the_values_unit(measurement: Measurement, text: str) -> None:
    assert format_interval(measurement) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.5, "0.50x"),
        (1.03, "1.03x"),
        (1.994, "1.99x"),
        (1.996, "2.0x"),
        (5.23, "5.2x"),
        (99.94, "99.9x"),
        (123.4, "123x"),
    ],
)
def test_ratio_has_two_significant_digits_or_more(ratio: float, text: str) -> None:
    assert format_times(ratio) == text


@pytest.mark.parametrize(
    ("measurement", "text", "short"),
    [
        (measured(0.9867, 0.976, 0.998, "fraction"), "98.7 ±1.1 %", "98.7 ±1.1 %"),
        (measured(0.9173, 0.9118, 0.9226, "fraction"), "91.73 ±0.54 %", "91.7 ±0.5 %"),
        (measured(0.9173, 0.9168, 0.9176, "fraction"), "91.73 ±0.04 %", "91.73 ±0.04 %"),
        (measured(0.0977, 0.079, 0.1165, "ms"), "0.0977 ms ±19 %", "0.0977 ms ±19 %"),
        (measured(2.0, 1.94, 2.06, "ms"), "2.00 ms ±3.0 %", "2.00 ms ±3 %"),
        (measured(2.0, 1.99, 2.01, "ms"), "2.00 ms ±0.5 %", "2.00 ms ±0.5 %"),
        (measured(100.0, 90.0, 110.0, "inputs/s"), "100 inputs/s ±10 %", "100 inputs/s ±10 %"),
        (measured(0.0, -1.0, 1.0, "W"), "0 W ±1", "0 W ±1"),
        (measured(1000.0, 1000.0, 1000.0, "bytes"), "1.00 KB", "1.00 KB"),
    ],
)
def test_value_has_half_its_interval(measurement: Measurement, text: str, short: str) -> None:
    assert format_about(measurement) == text
    assert format_about(measurement, short=True) == short


@pytest.mark.parametrize(
    ("chance", "text"),
    [(None, ""), (0.0, "<1 %"), (0.012, "1 %"), (0.97, "97 %"), (1.0, ">99 %")],
)
def test_probability_is_never_shown_as_certain(chance: float | None, text: str) -> None:
    assert format_chance(chance) == text


@pytest.mark.parametrize("name", ["r2", "r2@phone", "val_r2"])
def test_r2_is_a_plain_number(name: str) -> None:
    measured = Measurement(name, 0.9312, "fraction", "higher", 0.9, 0.96)

    assert format_quantity(measured.value, measured) == "0.9312"
    assert format_value(-0.4, "fraction", name) == "-0.4"
    assert format_interval(measured) == "0.9 to 0.96"
    assert format_about(measured) == "0.9312 ±0.03"
