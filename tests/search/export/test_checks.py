"""Judgements: when a figure, an interval or some logits count as those that were recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.export.check_results import Finding, Verification
from paretune.search.export.checks import (
    FAR,
    FLOAT,
    ROUNDED,
    TOLERATED,
    like_model,
    same_latency,
    same_outputs,
    same_stamp,
    same_value,
)
from paretune.search.export.latency_ratio import Ratio

LOGITS = np.eye(10, dtype=np.float32)[[0, 1, 2, 3] * 5]  # their span is 1


def moved(largest: float, where: int | None = None) -> np.ndarray:
    """LOGITS by so much higher, in one row or in all."""
    found = LOGITS.copy()
    found[slice(None) if where is None else where] += largest
    return found


@pytest.mark.parametrize(
    ("plain", "found", "level"),
    [
        (True, LOGITS, "ok"),
        (True, moved(0.9 * FLOAT, 3), "ok"),
        (True, moved(1.1 * FLOAT, 3), "off"),
        (False, moved(1.1 * FLOAT, 3), "ok"),  # one row in 20: the mean is far below
        (False, moved(0.9 * ROUNDED), "ok"),
        (False, moved(1.1 * ROUNDED), "off"),
        (False, LOGITS[:, ::-1], "off"),
        (False, LOGITS[:, :9], "off"),
        (True, LOGITS * np.nan, "off"),
    ],
)
def test_outputs_are_the_recorded_ones_within_what_processors_differ_by(
    plain: bool, found: np.ndarray, level: str
) -> None:
    assert same_outputs("m", plain, LOGITS, found).level == level


def test_one_class_of_many_may_turn_and_two_may_not() -> None:
    recorded = np.zeros((100, 2), np.float32)
    recorded[:, 0] = 1e-4
    recorded[0, 1] = 1
    for turned, level in ((1, "ok"), (2, "off")):
        found = recorded.copy()
        found[1 : 1 + turned, 1] = 2e-4
        assert same_outputs("m", True, recorded, found).level == level


def test_int8_may_differ_from_the_float_network_and_float_may_not() -> None:
    far = moved(0.3, 0)
    assert like_model("m", False, LOGITS, far).ok
    finding = like_model("m", True, LOGITS, far)
    assert not finding.ok
    assert "100 % of the classes are those of the float network on 20 valid" in finding.text


def measured(value: float, half: float, unit: str = "fraction", **more: Any) -> Measurement:
    return Measurement("q", value, unit, "higher", value - half, value + half, 450, more)


@pytest.mark.parametrize(
    ("recorded", "found", "same", "level"),
    [
        (measured(0.9, 0.03), measured(0.9, 0.03), True, "ok"),
        (measured(0.9, 0.03), measured(0.929, 0.03), True, "ok"),
        (measured(0.9, 0.03), measured(0.869, 0.03), True, "off"),
        (measured(0.9, 0.03), measured(0.869, 0.03), False, "ok"),  # other examples: overlap
        (measured(0.9, 0.03), measured(0.83, 0.03), False, "off"),
        (measured(0.5, 0.0, "nats"), measured(0.504, 0.0, "nats"), True, "ok"),
        (measured(0.5, 0.0, "nats"), measured(0.51, 0.0, "nats"), True, "off"),
        (None, measured(0.1, 0.0), True, "ok"),
    ],
)
def test_value_is_the_recorded_one_within_its_interval(
    recorded: Measurement | None, found: Measurement, same: bool, level: str
) -> None:
    assert same_value("m", "test", recorded, found, same).level == level


def ratio(value: float) -> Ratio:
    return Ratio(value, value / 1.05, value * 1.05, "host", "cpu")


@pytest.mark.parametrize(
    ("times", "level", "strictly"),
    [
        (1.0, "ok", "ok"),
        (1.05**2 * TOLERATED * 0.99, "ok", "ok"),
        (1.05**2 * TOLERATED * 1.01, "warning", "off"),
        (1.05**2 * FAR * 0.99, "warning", "off"),
        (1.05**2 * FAR * 1.01, "off", "off"),
    ],
)
@pytest.mark.parametrize("faster", [False, True])
def test_latency_is_the_recorded_one_within_both_intervals_and_a_tolerance(
    times: float, level: str, strictly: str, faster: bool
) -> None:
    found = ratio(0.2 / times if faster else 0.2 * times)
    for strict, expected in ((False, level), (True, strictly)):
        said = same_latency("m", ratio(0.2), found, measured(1, 0, "ms", cpu="cpu"), strict)
        assert said.level == expected


def test_latency_that_differs_says_of_what_it_may_come() -> None:
    busy = measured(1, 0, "ms", cpu="cpu", disturbed_host=True)
    assert "this machine is busy" in same_latency("m", ratio(1), ratio(1.5), busy, False).text
    other = measured(1, 0, "ms", cpu="other")
    said = same_latency("m", ratio(1), ratio(1.5), other, False).text
    assert said.startswith("1.5 times (1.43-1.58) the baseline's, recorded 1 times (0.952-1.05)")
    assert said.endswith("recorded on cpu, this is other")


def test_ratio_is_that_to_the_baseline_s_own_measurement() -> None:
    found = Ratio.of(
        Measurement("latency", 0.5, "ms", "lower", 0.4, 0.6, 9, {"host": "h", "cpu": "c"}),
        Measurement("latency", 2.0, "ms", "lower", 1.9, 2.1, 9, {}),
    )
    assert found == Ratio(0.25, 0.2, 0.3, "h", "c")


def test_operator_sets_have_to_be_the_recorded_ones() -> None:
    recorded = {"opset": {"ai.onnx": 17, "com.microsoft": 1}}
    assert same_stamp("m", recorded, dict(recorded)).ok
    finding = same_stamp("m", recorded, {"opset": {"ai.onnx": 18}})
    assert not finding.ok
    assert finding.text == "ai.onnx 18, recorded ai.onnx 17, com.microsoft 1"


def test_verification_is_off_for_one_that_is_and_doubtful_for_a_warning() -> None:
    good, doubt, bad = (Finding("m", "w", level, "t") for level in ("ok", "warning", "off"))
    assert Verification((good,)).text().endswith("all as measured")
    assert Verification((good, doubt)).ok
    assert Verification((good, doubt)).text().endswith("as measured, with 1 warning")
    assert not Verification((good, bad, doubt)).ok
    assert Verification((bad,)).text() == "OFF  m: w: t\nnot what was measured"
    assert Verification((doubt,)).to_json()["findings"][0]["ok"] is True
