"""Checks: which values, intervals and logits count as the recorded ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.export.checks import (
    FLOAT_TOLERANCE,
    RATIO_FAILS,
    RATIO_TOLERANCE,
    ROUNDED_TOLERANCE,
    OutputRule,
    check_latency,
    check_network,
    check_opset,
    check_outputs,
    check_value,
)
from paretune.search.export.latency_ratio import LatencyRatio

LOGITS = np.eye(10, dtype=np.float32)[[0, 1, 2, 3] * 5]  # their range is 1


def raised(by: float, row: int | None = None) -> np.ndarray:
    """Returns LOGITS plus a number, in one row or in all rows."""
    logits = LOGITS.copy()
    logits[slice(None) if row is None else row] += by
    return logits


@pytest.mark.parametrize(
    ("is_float", "actual", "level"),
    [
        (True, LOGITS, "ok"),
        (True, raised(0.9 * FLOAT_TOLERANCE, 3), "ok"),
        (True, raised(1.1 * FLOAT_TOLERANCE, 3), "failed"),
        (False, raised(1.1 * FLOAT_TOLERANCE, 3), "ok"),  # one row in 20: the mean is far below
        (False, raised(0.9 * ROUNDED_TOLERANCE), "ok"),
        (False, raised(1.1 * ROUNDED_TOLERANCE), "failed"),
        (False, LOGITS[:, ::-1], "failed"),
        (False, LOGITS[:, :9], "failed"),
        (True, LOGITS * np.nan, "failed"),
    ],
)
def test_outputs_pass_within_the_differences_of_processors(
    is_float: bool, actual: np.ndarray, level: str
) -> None:
    assert check_outputs(OutputRule("m", is_float), [LOGITS], [actual]).level == level


def test_outputs_fail_if_two_classes_of_a_hundred_change() -> None:
    recorded = np.zeros((100, 2), np.float32)
    recorded[:, 0] = 1e-4
    recorded[0, 1] = 1
    for changed, level in ((1, "ok"), (2, "failed")):
        actual = recorded.copy()
        actual[1 : 1 + changed, 1] = 2e-4
        assert check_outputs(OutputRule("m", True), [recorded], [actual]).level == level


def test_only_a_float_file_must_equal_the_float_network() -> None:
    one_outlier = raised(0.3, 0)
    assert check_network(OutputRule("m", False), [LOGITS], [one_outlier]).ok
    result = check_network(OutputRule("m", True), [LOGITS], [one_outlier])
    assert not result.ok
    assert "100 % of the classes agree with the float network on 20 valid" in result.text


def measured(value: float, half: float, unit: str = "fraction", **conditions: Any) -> Measurement:
    return Measurement("q", value, unit, "higher", value - half, value + half, 450, conditions)


@pytest.mark.parametrize(
    ("recorded", "actual", "same_data", "level"),
    [
        (measured(0.9, 0.03), measured(0.9, 0.03), True, "ok"),
        (measured(0.9, 0.03), measured(0.929, 0.03), True, "ok"),
        (measured(0.9, 0.03), measured(0.869, 0.03), True, "failed"),
        (measured(0.9, 0.03), measured(0.869, 0.03), False, "ok"),  # other examples: overlap
        (measured(0.9, 0.03), measured(0.83, 0.03), False, "failed"),
        (measured(0.5, 0.0, "nats"), measured(0.504, 0.0, "nats"), True, "ok"),
        (measured(0.5, 0.0, "nats"), measured(0.51, 0.0, "nats"), True, "failed"),
        (None, measured(0.1, 0.0), True, "ok"),
    ],
)
def test_value_passes_within_its_recorded_interval(
    recorded: Measurement | None, actual: Measurement, same_data: bool, level: str
) -> None:
    assert check_value("m", "test", recorded, actual, same_data).level == level


def ratio(value: float) -> LatencyRatio:
    return LatencyRatio(value, value / 1.05, value * 1.05, "host", "cpu")


@pytest.mark.parametrize(
    ("times", "level", "strict_level"),
    [
        (1.0, "ok", "ok"),
        (1.05**2 * RATIO_TOLERANCE * 0.99, "ok", "ok"),
        (1.05**2 * RATIO_TOLERANCE * 1.01, "warning", "failed"),
        (1.05**2 * RATIO_FAILS * 0.99, "warning", "failed"),
        (1.05**2 * RATIO_FAILS * 1.01, "failed", "failed"),
    ],
)
@pytest.mark.parametrize("faster", [False, True])
def test_latency_passes_within_both_intervals_and_a_tolerance(
    times: float, level: str, strict_level: str, faster: bool
) -> None:
    actual = ratio(0.2 / times if faster else 0.2 * times)
    for strict, expected in ((False, level), (True, strict_level)):
        result = check_latency("m", ratio(0.2), actual, measured(1, 0, "ms", cpu="cpu"), strict)
        assert result.level == expected


def test_latency_that_differs_names_a_likely_cause() -> None:
    busy = measured(1, 0, "ms", cpu="cpu", disturbed_host=True)
    assert "this machine is busy" in check_latency("m", ratio(1), ratio(1.5), busy, False).text
    other = measured(1, 0, "ms", cpu="other")
    text = check_latency("m", ratio(1), ratio(1.5), other, False).text
    assert text.startswith("1.5 times (1.43-1.58) the baseline's, recorded 1 times (0.952-1.05)")
    assert text.endswith("recorded on cpu, this is other")


def test_operator_sets_must_be_the_recorded_ones() -> None:
    recorded = {"opset": {"ai.onnx": 17, "com.microsoft": 1}}
    assert check_opset("m", recorded, dict(recorded)).ok
    result = check_opset("m", recorded, {"opset": {"ai.onnx": 18}})
    assert not result.ok
    assert result.text == "ai.onnx 18, recorded ai.onnx 17, com.microsoft 1"
