"""Differences from the baseline: ratios of times, points of accuracy, and their pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.front.changes import change, changes_of, within_noise
from paretune.search.front.differences import difference_interval
from paretune.search.study.records import Axis, TrialRecord
from support.measurements import accuracy, latency, paired_accuracy

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))


def trial(number: int, **fields: dict[str, Measurement]) -> TrialRecord:
    return TrialRecord(number, "complete", {}, [], **fields)  # type: ignore[arg-type]


def test_change_of_a_time_is_the_ratio_by_which_it_is_better() -> None:
    found = change(latency(1.0, 1), latency(2.0, 1))
    assert found.relative and found.beyond_noise and not found.paired
    assert found.value == pytest.approx(2.0)
    width = math.hypot(0.01, 0.01)
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-width), 2 * math.exp(width)))


def test_ratio_within_both_intervals_is_not_beyond_noise() -> None:
    found = change(latency(1.98, 3), latency(2.0, 3))
    assert found.low < 1 < found.high and not found.beyond_noise


def test_equal_sizes_are_exactly_equal() -> None:
    size = Measurement("size", 5e4, "bytes", "lower", 5e4, 5e4)
    found = change(size, size)
    assert found.exact and not found.beyond_noise and found.value == 1.0
    smaller = change(replace(size, value=4e4, low=4e4, high=4e4), size)
    assert smaller.exact and smaller.beyond_noise and smaller.value == pytest.approx(1.25)


def test_objectives_within_noise_are_those_whose_intervals_overlap() -> None:
    baseline = {"latency": latency(1.0, 10), "size": replace(latency(5.0, 0), name="size")}
    near, far = latency(0.95, 10), latency(0.5, 1)
    same_size = replace(latency(5.0, 0), name="size")
    other = replace(latency(1.0, 10), name="energy")
    assert within_noise([near, same_size, other], baseline) == {"latency"}
    assert within_noise([far], baseline) == frozenset()


def test_change_of_an_accuracy_is_paired_when_the_examples_are_the_same() -> None:
    right = np.arange(1000) >= 50
    fewer = right & (np.arange(1000) < 989)
    found = change(paired_accuracy(fewer), paired_accuracy(right), "test")
    assert found.paired and found.beyond_noise and found.p is not None and found.p < 0.01
    assert found.value == pytest.approx(-0.011)
    plain = change(accuracy(939, 1000), accuracy(950, 1000))
    assert not plain.paired and plain.p is None and not plain.beyond_noise
    interval = difference_interval(accuracy(939, 1000), accuracy(950, 1000))
    assert (plain.low, plain.high) == interval


def test_changes_are_those_on_the_test_part_when_both_have_one() -> None:
    validation = {"accuracy": accuracy(90, 100), "latency": latency(1.0, 1)}
    base = trial(0, measurements=validation, test={"accuracy": accuracy(80, 100)})
    tested = trial(1, measurements=validation, test={"accuracy": accuracy(85, 100)})
    found = changes_of(tested, base, AXES)
    assert found["accuracy"].part == "test"
    assert found["accuracy"].value == pytest.approx(0.05)
    assert found["latency"].part == "validation" and found["latency"].value == 1.0
    untested = changes_of(trial(2, measurements=validation), base, AXES)
    assert untested["accuracy"].part == "validation" and untested["accuracy"].value == 0.0


def test_baseline_has_no_changes() -> None:
    base = trial(0, measurements={"accuracy": accuracy(90, 100), "latency": latency(1.0, 1)})
    assert changes_of(base, base, AXES) == {}
    assert changes_of(trial(1, measurements=base.measurements), None, AXES) == {}  # type: ignore[arg-type]
