"""Statistics of repeated measurements, against numpy and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from paretune.objectives.timing.estimates import (
    Estimate,
    beside,
    median_of,
    quantile,
    statistic,
    student95,
)

RUNS = st.lists(st.floats(0.001, 1000), min_size=1, max_size=60)


@settings(deadline=None, max_examples=100)
@given(RUNS, st.floats(0, 1))
def test_quantile_is_numpy_s(runs: list[float], share: float) -> None:
    assert quantile(runs, share) == pytest.approx(float(np.quantile(runs, share)))


@pytest.mark.parametrize(
    ("which", "expected"), [("p50", 3.0), ("p90", 4.6), ("p99", 4.96), ("mean", 3.0)]
)
def test_statistic_is_what_its_name_says(which: str, expected: float) -> None:
    assert statistic([5.0, 1.0, 4.0, 2.0, 3.0], which) == pytest.approx(expected)


@pytest.mark.parametrize("freedom", [3, 7, 15, 100])
def test_student_s_quantile_is_scipy_s(freedom: int) -> None:
    assert student95(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=0.01)


@pytest.mark.parametrize(("count", "drifts"), [(10, False), (40, False), (160, False), (160, True)])
def test_interval_of_the_median_covers_the_true_one_about_95_times_of_100(
    count: int, drifts: bool
) -> None:
    """Also where neighbours are alike: an autoregressive drift over a few figures."""
    generator = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        figures = generator.normal(size=count)
        if drifts:
            for i in range(1, count):
                figures[i] += 0.7 * figures[i - 1]
        found = median_of(figures.tolist())
        hits.append(abs(found.value) <= found.half)
    assert 0.88 <= np.mean(hits) <= 0.99


def test_interval_of_equal_figures_has_no_width() -> None:
    assert median_of([0.5] * 20) == Estimate(0.5, 0.0)


def test_level_beside_others_is_on_the_scale_of_what_they_are_known_to_be() -> None:
    """All drift alike; two of them are known as 1 and 3, so that 4 lies 2 above their mean."""
    drift = [0.0, 0.4, -0.3, 0.1]
    own = [x + 14.0 for x in drift]
    others = [[x + 11.0 for x in drift], [x + 13.0 for x in drift]]
    found = beside(own, others, [1.0, 3.0])
    assert found.value == pytest.approx(4.0)
    assert found.half == pytest.approx(0.0, abs=1e-9)


def test_interval_beside_others_has_what_they_moved_against_each_other() -> None:
    own, others = [0.0] * 4, [[0.0] * 4, [0.0] * 4, [0.0] * 4, [0.3] * 4]
    found = beside(own, others, [0.0] * 4)
    # standard deviation 0.15 of one, and a half of it of the mean of four; 3.182 is Student's
    assert found.half == pytest.approx(3.182 * 0.15 * math.sqrt(1.25), rel=0.01)


def test_interval_beside_others_covers_the_true_one_about_95_times_of_100() -> None:
    """Each network moves by 3 % of its own, all drift by 20 %, a block scatters by 2 %."""
    draw, hits = np.random.default_rng(0), []
    for _ in range(1000):
        moved = draw.normal(0, 0.03, 6)
        levels = moved + draw.normal(0, 0.2, (8, 1)) + draw.normal(0, 0.02, (8, 6))
        own, *others = levels.T.tolist()
        found = beside(own, others, [0.0] * 5)
        hits.append(abs(found.value) <= found.half)
    assert 0.93 <= np.mean(hits) <= 0.98
