"""Paired proportions: published values, scipy's test, and coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from paretune.objectives.pairing.proportions import (
    difference_interval,
    differs,
    mcnemar_p,
    tango_end,
)


def test_interval_and_test_are_those_of_the_published_example() -> None:
    # Airway hyper-responsiveness, 1 and 7 of 21 discordant: Fagerland, Lydersen and Laake 2014,
    # table V: Tango's interval -0.517 to -0.026, McNemar's mid-p 0.039
    low, high = -tango_end(7, 1, 21), tango_end(1, 7, 21)
    assert (low, high) == pytest.approx((-0.517, -0.026), abs=5e-4)
    assert mcnemar_p(1, 7) == pytest.approx(0.039, abs=5e-4)
    assert difference_interval(1, 7, 21) == (low, high)


@pytest.mark.parametrize(
    ("first", "second"), [(0, 1), (3, 0), (4, 9), (12, 2), (60, 41), (2000, 1900), (0, 5000)]
)
def test_mid_p_value_is_that_of_the_binomial_distribution(first: int, second: int) -> None:
    count, fewer = first + second, min(first, second)
    expected = 2 * binom.cdf(fewer, count, 0.5) - binom.pmf(fewer, count, 0.5)
    assert mcnemar_p(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(second, first) == mcnemar_p(first, second)


def test_equal_counts_have_a_p_value_of_one() -> None:
    assert mcnemar_p(0, 0) == mcnemar_p(7, 7) == 1.0


@pytest.mark.parametrize(("first", "second"), [(4, 9), (5, 0), (30, 12), (0, 4), (17, 31)])
@pytest.mark.parametrize("count", [60, 400, 10_000])
def test_tango_s_interval_excludes_zero_like_mcnemar_s_asymptotic_test(
    first: int, second: int, count: int
) -> None:
    low, high = -tango_end(second, first, count), tango_end(first, second, count)
    rejected = abs(first - second) / math.sqrt(first + second) > norm.ppf(0.975)
    assert (low > 0 or high < 0) == rejected


@pytest.mark.parametrize("count", [60, 397, 10_000])
def test_interval_has_zero_exactly_when_the_difference_is_within_chance(count: int) -> None:
    for first in range(12):
        for second in range(12):
            low, high = difference_interval(first, second, count)
            assert (low > 0 or high < 0) == differs(first, second)
            assert low <= (first - second) / count <= high
            mirrored = difference_interval(second, first, count)
            assert mirrored == pytest.approx((-high, -low), abs=1e-11)


def test_four_to_nothing_is_within_chance_and_six_to_nothing_is_not() -> None:
    assert not differs(4, 0)  # mid-p 0.0625, although McNemar's asymptotic test rejects
    assert difference_interval(4, 0, 400)[0] == 0.0
    assert differs(6, 0)


def test_no_discordant_example_means_no_difference() -> None:
    assert difference_interval(0, 0, 397) == (0.0, 0.0)


def test_interval_stays_between_minus_one_and_one() -> None:
    assert difference_interval(20, 0, 20)[1] <= 1.0
    assert difference_interval(0, 20, 20)[0] >= -1.0


@pytest.mark.parametrize(
    ("count", "shares"), [(100, (0.06, 0.04)), (400, (0.03, 0.02)), (400, (0.02, 0.005))]
)
def test_interval_covers_the_true_difference_in_95_of_100_samples(
    count: int, shares: tuple[float, float]
) -> None:
    random = np.random.default_rng(0)
    drawn = random.multinomial(count, [*shares, 1 - sum(shares)], size=4000)
    truth = shares[0] - shares[1]
    covered = 0
    for first, second, _ in drawn.tolist():
        low, high = difference_interval(first, second, count)
        covered += low <= truth <= high
    assert 0.94 <= covered / 4000 <= 0.975


def test_false_differences_are_called_real_in_at_most_one_of_twenty_samples() -> None:
    random = np.random.default_rng(1)
    drawn = random.multinomial(400, [0.02, 0.02, 0.96], size=20_000)
    rejected = np.mean([differs(first, second) for first, second, _ in drawn.tolist()])
    assert 0.03 <= rejected <= 0.05
