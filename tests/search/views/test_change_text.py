"""Differences in words and figures."""

from __future__ import annotations

import pytest

from paretune.search.front.changes import Change
from paretune.search.study.records import Axis
from paretune.search.views.change_text import (
    equal_text,
    evidence_text,
    points_text,
    times_text,
    within_text,
)

LATENCY = Axis("latency", "ms", "lower")
SIZE = Axis("size@phone", "bytes", "lower")
ENERGY = Axis("energy", "J", "lower")
ACCURACY = Axis("accuracy", "fraction", "higher")


def points(value: float, low: float, high: float, p: float | None = None) -> Change:
    return Change("test", False, value, low, high, paired=True, p=p)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (points(-0.02, -0.03, -0.01), "-2.0 ±1.0"),
        (points(-0.005, -0.012, 0.002), "≈-0.5 ±0.7"),
        (points(0.0, -0.01, 0.01), "≈0.0 ±1.0"),
        (points(-1e-9, -0.01, 0.01), "≈0.0 ±1.0"),
        (points(0.0, 0.0, 0.0), "same"),
        (points(0.0012, 0.0009, 0.0015), "+0.12 ±0.03"),
    ],
)
def test_points_have_their_interval_and_a_sign_within_noise(change: Change, text: str) -> None:
    assert points_text(change) == text


def test_evidence_gives_the_p_value_and_what_follows() -> None:
    assert evidence_text(points(-0.005, -0.012, 0.002, 0.3)) == "McNemar p = 0.30: within noise"
    assert evidence_text(points(-0.02, -0.03, -0.01, 0.0004)) == "McNemar p < 0.001"
    assert evidence_text(points(-0.02, -0.03, -0.01, 0.0342)) == "McNemar p = 0.034"
    assert evidence_text(points(-0.005, -0.012, 0.002)) == "within noise"
    assert evidence_text(points(-0.02, -0.03, -0.01)) == ""
    assert evidence_text(points(0.0, 0.0, 0.0, 1.0)) == ""


def test_equal_trials_are_as_fast_and_have_the_same_size_and_accuracy() -> None:
    assert equal_text(LATENCY) == "as fast"
    assert equal_text(SIZE) == "same size on phone"
    assert equal_text(ENERGY) == "same energy"
    assert equal_text(ACCURACY) == "same accuracy"


def test_within_gives_the_largest_distance_of_the_interval() -> None:
    assert within_text(points(-0.005, -0.016, 0.006)) == "within ±1.6 points"
    assert within_text(Change("validation", True, 1.01, 0.98, 1.04)) == "within ±4 %"
    assert within_text(points(0.0, 0.0, 0.0)) == "no difference"


def test_ratio_below_one_is_said_the_other_way_around() -> None:
    assert times_text(2.1, LATENCY) == "2.1x faster"
    assert times_text(0.5, LATENCY) == "2.0x slower"
    assert times_text(0.5, ENERGY) == "2.0x worse in energy"


def test_memory_and_the_latency_under_load_have_words_of_their_own() -> None:
    memory = Axis("memory@pi", "bytes", "lower")
    loaded = Axis("latency.sustained@pi", "ms", "lower")
    assert times_text(1.25, memory) == "1.25x less memory on pi"
    assert times_text(0.5, memory) == "2.0x more memory on pi"
    assert equal_text(memory) == "as much memory on pi"
    assert times_text(2.0, loaded) == "2.0x faster under load on pi"
    assert times_text(2.0, Axis("latency.p99@pi", "ms", "lower")) == "2.0x faster on pi"
