"""Intervals of differences agree with formulas, and pairs are used."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.front.differences import differ, difference_interval
from support.measurements import accuracy, latency, paired_accuracy


def test_interval_of_two_proportions_is_that_of_newcombe() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 = 0.2, from 0.0524 to 0.3339
    low, high = difference_interval(accuracy(56, 70), accuracy(48, 80))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert differ(accuracy(56, 70), accuracy(48, 80))
    # 9/10 - 3/10: from 0.1705 to 0.8090
    assert difference_interval(accuracy(9, 10), accuracy(3, 10)) == pytest.approx(
        (0.1705, 0.8090), abs=5e-5
    )


def test_interval_of_two_latencies_is_that_of_the_logarithm_of_their_ratio() -> None:
    low, high = difference_interval(latency(2.0, 3), latency(1.0, 4))
    assert (low, high) == pytest.approx((math.log(2) - 0.05, math.log(2) + 0.05))


@pytest.mark.parametrize(("ratio", "expected"), [(1.049, False), (1.055, True)])
def test_latencies_differ_when_their_ratio_is_beyond_both_intervals_together(
    ratio: float, expected: bool
) -> None:
    assert differ(latency(ratio, 3), latency(1.0, 4)) == expected
    assert differ(latency(1.0, 4), latency(ratio, 3)) == expected


def test_drift_that_both_share_in_a_session_does_not_hide_a_difference() -> None:
    drift = [0.0, 0.2, -0.1, 0.3]
    slow = latency(1.02, 20, [math.log(1.02) + d for d in drift])
    fast = latency(1.0, 20, [d + 0.001 * (-1) ** i for i, d in enumerate(drift)])
    assert differ(slow, fast)
    assert not differ(latency(1.02, 20), latency(1.0, 20))


def test_exact_quantities_differ_unless_they_are_equal() -> None:
    sizes = [Measurement("size", v, "bytes", "lower", v, v) for v in (100.0, 101.0, 100.0)]
    assert differ(sizes[0], sizes[1])
    assert not differ(sizes[0], sizes[2])


def test_paired_accuracies_differ_although_their_intervals_overlap() -> None:
    base = np.arange(1000) >= 60
    worse = base & (np.arange(1000) % 90 != 89)  # 11 errors more, and none less
    assert not differ(accuracy(int(base.sum()), 1000), accuracy(int(worse.sum()), 1000))
    assert differ(paired_accuracy(base), paired_accuracy(worse))


def test_paired_accuracies_of_different_examples_are_compared_unpaired() -> None:
    base, worse = np.arange(1000) >= 60, np.arange(1000) >= 71
    plain = difference_interval(accuracy(940, 1000), accuracy(929, 1000))
    other = paired_accuracy(worse, "validation")
    assert difference_interval(paired_accuracy(base), other) == plain
    assert difference_interval(paired_accuracy(base), accuracy(929, 1000)) == plain


def test_networks_with_equal_predictions_do_not_differ_at_all() -> None:
    correct = np.arange(397) % 50 > 0
    assert difference_interval(paired_accuracy(correct), paired_accuracy(correct)) == (0.0, 0.0)
    assert not differ(paired_accuracy(correct), paired_accuracy(correct))
