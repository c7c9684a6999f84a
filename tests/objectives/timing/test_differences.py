"""Differences: what two measurements of one session share cancels; others keep both intervals."""

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


def measured(value: float, half: float, levels: Sequence[float] = (), session: str = "s") -> Any:
    """A latency with a 95 % interval of `half` in its logarithm."""
    low, high = value * math.exp(-half), value * math.exp(half)
    said = {"session": {"id": session, "log_levels": list(levels)}} if levels else {}
    return Measurement("latency", value, "ms", "lower", low, high, 1, said)


def test_difference_in_one_session_leaves_out_what_both_share() -> None:
    drift = [0.0, 0.3, -0.2, 0.5]
    a = measured(2.0, 0.4, [x + 0.7 for x in drift])
    b = measured(1.0, 0.4, drift)
    found = difference(a, b)
    assert found.value == pytest.approx(0.7)
    assert found.half == pytest.approx(0.0, abs=1e-12)
    assert difference(b, a).value == pytest.approx(-0.7)


def test_difference_in_one_session_has_student_s_interval() -> None:
    found = difference(measured(1.0, 0.1, [0.1, 0.2, 0.3, 0.4, 0.5]), measured(1.0, 0.1, [0.0] * 5))
    # 2.776 is Student's 97.5 % quantile with 4 degrees of freedom
    assert found.value == pytest.approx(0.3)
    assert found.half == pytest.approx(2.776 * math.sqrt(0.025 / 5), rel=0.01)


@pytest.mark.parametrize("levels", [(), (0.1, 0.2)])
def test_difference_between_sessions_has_both_intervals(levels: Sequence[float]) -> None:
    a, b = measured(3.0, 0.03, levels, "one"), measured(1.0, 0.04, levels, "other")
    found = difference(a, b)
    assert found.value == pytest.approx(math.log(3))
    assert found.half == pytest.approx(0.05)


def test_difference_holds_the_true_one_as_often_as_it_says() -> None:
    """Shared drift of 20 %, own scatter of 2 %, eight parts of a session."""
    draw, hits = np.random.default_rng(0), 0
    for _ in range(1000):
        drift = draw.normal(0, 0.2, 8)
        a, b = (measured(1.0, 0.2, tuple(drift + draw.normal(m, 0.02, 8))) for m in (0.05, 0.0))
        found = difference(a, b)
        hits += abs(found.value - 0.05) <= found.half
    assert 930 <= hits <= 970


def test_difference_of_different_quantities_is_refused() -> None:
    energy = replace(measured(1.0, 0.1), name="energy", unit="J")
    with pytest.raises(ValueError, match=r"latency \[ms\] and energy \[J\] cannot be compared"):
        difference(measured(1.0, 0.1), energy)
    with pytest.raises(ValueError, match="latency of 0 or less has no ratio"):
        difference(measured(1.0, 0.1), replace(measured(1.0, 0.1), low=0.0))


def test_members_measured_together_can_be_compared(make_subject: Callable[..., Subject]) -> None:
    subject = make_subject()
    params = Latency.Params(seconds=0.02, references=False)
    a, b = Latency.together([subject, subject], params)
    alone = Latency.measure(subject, params, "validation")
    sessions = [m.conditions["session"] for m in (a, b, alone)]
    assert sessions[0]["id"] == sessions[1]["id"] != sessions[2]["id"]
    assert len(sessions[0]["log_levels"]) == len(sessions[1]["log_levels"]) >= 4
    found = difference(a, b)
    assert math.isfinite(found.value) and found.half > 0
