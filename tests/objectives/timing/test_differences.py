"""Differences: errors that two measurements of one session share cancel, others add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.latency import Latency
from paretune.objectives.timing.differences import difference


def latency(value: float, half: float, levels: Sequence[float] = (), session: str = "s") -> Any:
    """Returns a latency; its logarithm has a 95 % interval of plus and minus `half`."""
    low, high = value * math.exp(-half), value * math.exp(half)
    conditions = {"session": {"id": session, "log_levels": list(levels)}} if levels else {}
    return Measurement("latency", value, "ms", "lower", low, high, 1, conditions)


def test_shared_drift_cancels_in_one_session() -> None:
    drift = [0.0, 0.3, -0.2, 0.5]
    a = latency(2.0, 0.4, [x + 0.7 for x in drift])
    b = latency(1.0, 0.4, drift)
    assert difference(a, b).value == pytest.approx(0.7)
    assert difference(a, b).half == pytest.approx(0.0, abs=1e-12)
    assert difference(b, a).value == pytest.approx(-0.7)


def test_difference_in_one_session_has_student_s_interval() -> None:
    a, b = latency(1.0, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5]), latency(1.0, 0.1, [0.0] * 5)
    estimate = difference(a, b)
    assert estimate.value == pytest.approx(0.3)
    # 2.776 is Student's 97.5 % quantile with 4 degrees of freedom.
    assert estimate.half == pytest.approx(2.776 * math.sqrt(0.025 / 5), rel=0.01)


@pytest.mark.parametrize("levels", [(), (0.1, 0.2)])
def test_difference_between_sessions_combines_both_intervals(levels: Sequence[float]) -> None:
    a, b = latency(3.0, 0.03, levels, "one"), latency(1.0, 0.04, levels, "other")
    estimate = difference(a, b)
    assert estimate.value == pytest.approx(math.log(3))
    assert estimate.half == pytest.approx(0.05)


def test_interval_of_a_difference_covers_the_truth_in_95_percent_of_sessions() -> None:
    """Shared drift of 20 %, scatter of 2 % for each, eight blocks in a session."""
    random, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        drift = random.normal(0, 0.2, 8)
        a, b = (latency(1.0, 0.2, tuple(drift + random.normal(m, 0.02, 8))) for m in (0.05, 0.0))
        estimate = difference(a, b)
        hits += abs(estimate.value - 0.05) <= estimate.half
    assert 930 <= hits <= 970


def test_difference_of_different_quantities_is_refused() -> None:
    energy = replace(latency(1.0, 0.1), name="energy", unit="J")
    with pytest.raises(ValueError, match=r"latency \[ms\] and energy \[J\] cannot be compared"):
        difference(latency(1.0, 0.1), energy)
    with pytest.raises(ValueError, match="latency: a ratio needs intervals above 0"):
        difference(latency(1.0, 0.1), replace(latency(1.0, 0.1), low=0.0))


def test_networks_measured_together_have_one_session(make_subject: Callable[..., Subject]) -> None:
    subject = make_subject()
    params = Latency.Params(seconds=0.02, references=False)
    a, b = Latency.measure_together([subject, subject], params)
    single = Latency.measure(subject, params, "validation")
    sessions = [m.conditions["session"] for m in (a, b, single)]
    assert sessions[0]["id"] == sessions[1]["id"] != sessions[2]["id"]
    assert len(sessions[0]["log_levels"]) == len(sessions[1]["log_levels"]) >= 4
    estimate = difference(a, b)
    assert math.isfinite(estimate.value) and estimate.half > 0
