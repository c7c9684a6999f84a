"""Statistics of repeated figures, against numpy and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from paretune.objectives.timing.estimates import (
    Estimate,
    level_from_references,
    median_of,
    outlying,
    quantile,
    statistic,
    student95,
)

FIGURES = st.lists(st.floats(0.001, 1000), min_size=1, max_size=60)


@settings(deadline=None, max_examples=100)
@given(FIGURES, st.floats(0, 1))
def test_quantile_equals_numpy_s(figures: list[float], share: float) -> None:
    assert quantile(figures, share) == pytest.approx(float(np.quantile(figures, share)))


@pytest.mark.parametrize(
    ("name", "expected"), [("p50", 3.0), ("p90", 4.6), ("p99", 4.96), ("mean", 3.0)]
)
def test_statistic_is_chosen_by_its_name(name: str, expected: float) -> None:
    assert statistic([5.0, 1.0, 4.0, 2.0, 3.0], name) == pytest.approx(expected)


@pytest.mark.parametrize("freedom", [3, 7, 15, 100])
def test_student_s_quantile_equals_scipy_s(freedom: int) -> None:
    assert student95(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=0.01)


@pytest.mark.parametrize(("count", "drifts"), [(10, False), (40, False), (160, False), (160, True)])
def test_interval_of_a_median_covers_the_truth_in_about_95_percent_of_samples(
    count: int, drifts: bool
) -> None:
    """Also if consecutive figures are alike: an autoregressive drift over a few figures."""
    generator = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        figures = generator.normal(size=count)
        if drifts:
            for i in range(1, count):
                figures[i] += 0.7 * figures[i - 1]
        estimate = median_of(figures.tolist())
        hits.append(abs(estimate.value) <= estimate.half)
    assert 0.88 <= np.mean(hits) <= 0.99


def test_interval_of_equal_figures_has_no_width() -> None:
    assert median_of([0.5] * 20) == Estimate(0.5, 0.0)


def test_level_is_on_the_scale_of_the_references() -> None:
    """All drift alike. The references are known as 1 and 3; the network is 2 above their mean."""
    drift = [0.0, 0.4, -0.3, 0.1]
    levels = [x + 14.0 for x in drift]
    references = [[x + 11.0 for x in drift], [x + 13.0 for x in drift]]
    estimate = level_from_references(levels, references, [1.0, 3.0])
    assert estimate.value == pytest.approx(4.0)
    assert estimate.half == pytest.approx(0.0, abs=1e-9)


def test_interval_of_a_level_includes_the_change_of_the_references_ratios() -> None:
    levels, references = [0.0] * 4, [[0.0] * 4, [0.0] * 4, [0.0] * 4, [0.3] * 4]
    estimate = level_from_references(levels, references, [0.0] * 4)
    # One network has standard deviation 0.15, the mean of four half of it; 3.182 is Student's.
    assert estimate.half == pytest.approx(3.182 * 0.15 * math.sqrt(1.25), rel=0.01)
    assert estimate.floor == pytest.approx(estimate.half)


def test_reference_that_moved_far_alone_is_left_out() -> None:
    levels, moves = [1.0] * 4, [0.0, 0.02, -0.04, 0.09, -0.58]
    estimate = level_from_references(levels, [[move] * 4 for move in moves], [0.0] * 5)
    kept = level_from_references(levels, [[move] * 4 for move in moves[:4]], [0.0] * 4)
    assert estimate == kept
    assert outlying(moves) == 4


@pytest.mark.parametrize(
    "changes",
    [
        [0.0, 0.0, 0.0, 0.0, 0.09],  # too small to matter
        [0.0, 0.1, -0.1, 0.2, -0.4],  # all of them move
        [0.0, 0.0, 0.0, 0.5],  # too few would stay
        [0.0, 0.0, 0.0, 0.3, 0.5],  # two moved
    ],
)
def test_reference_is_kept_unless_it_alone_moved_far(changes: list[float]) -> None:
    assert outlying(changes) is None


def test_interval_of_a_level_covers_the_truth_in_about_95_percent_of_sessions() -> None:
    """Each network moves by 3 % alone, all drift by 20 %, a block scatters by 2 %."""
    random, hits = np.random.default_rng(0), []
    for _ in range(1000):
        moved = random.normal(0, 0.03, 6)
        blocks = moved + random.normal(0, 0.2, (8, 1)) + random.normal(0, 0.02, (8, 6))
        levels, *references = blocks.T.tolist()
        estimate = level_from_references(levels, references, [0.0] * 5)
        hits.append(abs(estimate.value) <= estimate.half)
    assert 0.93 <= np.mean(hits) <= 0.98
