"""Intervals of task scores: they cover the true score, and pairs with the baseline are narrower."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.bootstrap import RESAMPLES
from paretune.objectives.classification_scores import wilson
from paretune.objectives.metrics.language import language_scores
from paretune.objectives.metrics.multilabel import multilabel_scores
from paretune.objectives.metrics.regression import regression_scores
from paretune.objectives.metrics.segmentation import segmentation_scores
from paretune.objectives.pairing.differences import paired_difference
from paretune.objectives.score_intervals import PATIENCE, score_interval
from paretune.task import Scored

EXAMPLES = "digest"


def regression(random: np.random.Generator, count: int) -> dict[str, Scored]:
    true = random.normal(0, 3, (count, 2))
    return regression_scores(true + random.normal(0, 1, true.shape), true)


def multilabel(random: np.random.Generator, count: int) -> dict[str, Scored]:
    true = random.random((count, 3)) < 0.4
    return multilabel_scores(random.normal(0, 1, true.shape) + true - 0.5, true)


def segmentation(random: np.random.Generator, count: int) -> dict[str, Scored]:
    true = random.integers(0, 50, (count, 4)).astype(float)
    right = np.floor(true * random.beta(8, 2, (count, 1)))
    predicted = right + np.roll(true - right, 1, axis=1)
    return segmentation_scores(np.stack([right, true, predicted], axis=1))


def language(random: np.random.Generator, count: int) -> dict[str, Scored]:
    tokens = random.integers(5, 40, count).astype(float)
    nats = tokens * random.gamma(20, 0.1, count)
    return language_scores(np.stack([nats, random.binomial(tokens.astype(int), 0.6), tokens], 1))


@pytest.mark.parametrize("make", [regression, multilabel, segmentation, language])
def test_intervals_cover_the_true_score_in_about_95_of_100_cases(
    make: Callable[[np.random.Generator, int], dict[str, Scored]],
) -> None:
    random = np.random.default_rng(0)
    truth = {name: scored.value for name, scored in make(random, 30_000).items()}
    cases = 40
    covered = dict.fromkeys(truth, 0)
    for _ in range(cases):
        for name, scored in make(random, 100).items():
            interval = score_interval(scored, "", EXAMPLES)
            covered[name] += interval.low <= truth[name] <= interval.high
    assert all(34 <= count <= cases for count in covered.values()), covered  # 38 expected


def measurement(scored: Scored, unit: str = "fraction") -> Measurement:
    interval = score_interval(scored, unit, EXAMPLES)
    return Measurement(
        "score",
        scored.value,
        unit,
        "higher",
        interval.low,
        interval.high,
        scored.count,
        per_example=interval.results,
    )


@pytest.mark.parametrize("name", ["rmse", "mae", "r2"])
def test_paired_difference_is_narrower_than_the_intervals(name: str) -> None:
    random = np.random.default_rng(1)
    true = random.normal(0, 3, 80)
    guess = true + random.normal(0, 1, 80)
    base = measurement(regression_scores(guess, true)[name])
    trial = measurement(regression_scores(guess + random.normal(0, 0.1, 80), true)[name])
    difference = paired_difference(trial, base)
    assert difference is not None
    assert difference.low < difference.value < difference.high
    assert difference.high - difference.low < (base.high - base.low) / 3


def test_equal_predictions_differ_by_exactly_0() -> None:
    random = np.random.default_rng(2)
    true, guess = random.normal(0, 3, (2, 30))
    first, second = (measurement(regression_scores(guess, true)["rmse"]) for _ in range(2))
    difference = paired_difference(first, second)
    assert difference is not None
    assert (difference.low, difference.high) == (0.0, 0.0)


def test_share_of_correct_examples_has_wilsons_interval() -> None:
    correct = np.arange(40) < 30
    interval = score_interval(Scored(0.75, 40, correct=correct), "fraction", EXAMPLES)
    assert (interval.low, interval.high) == wilson(30, 40)
    assert interval.results is not None
    assert interval.results.form == "bits"


@pytest.mark.parametrize("count", [1, 10])
def test_perfect_fraction_is_not_certain(count: int) -> None:
    scored = Scored(1.0, count, weighted=lambda weights: 1.0)
    interval = score_interval(scored, "fraction", EXAMPLES)
    assert (interval.low, interval.high) == wilson(count, count)
    assert interval.low < 0.8


def test_interval_of_errors_does_not_go_below_0() -> None:
    values = np.array([0.0, 0.0, 0.0, 9.0])
    interval = score_interval(Scored(2.25, 4, values=values), "mm", EXAMPLES)
    assert interval.low == 0.0
    assert interval.high > 2.25


def test_number_alone_has_no_interval() -> None:
    interval = score_interval(Scored(0.5, 10), "fraction", EXAMPLES)
    assert (interval.low, interval.high, interval.results) == (0.5, 0.5, None)


def test_samples_without_a_score_count_as_no_change() -> None:
    def weighted(weights: np.ndarray) -> float:
        return float(weights[1]) if weights[0] < 4 else float("nan")  # NaN in about 2 of 100

    interval = score_interval(Scored(1.0, 20, weighted=weighted), "", EXAMPLES)
    assert interval.samples == RESAMPLES
    assert interval.low < 1.0 < interval.high
    assert interval.results is not None


def test_score_that_most_samples_lack_has_no_interval() -> None:
    def weighted(weights: np.ndarray) -> float:
        return 1.0 if weights[0] else float("nan")

    interval = score_interval(Scored(1.0, 20, weighted=weighted), "", EXAMPLES)
    assert (interval.low, interval.high, interval.results) == (1.0, 1.0, None)


def test_slow_score_takes_fewer_samples_and_still_pairs_with_a_fast_one() -> None:
    values = np.random.default_rng(3).normal(5, 1, 30)
    other = values + np.random.default_rng(4).normal(0, 0.05, 30)
    times = iter(np.arange(0.0, 1e9, PATIENCE))  # each reading of the clock is this much later

    def scored(of: np.ndarray) -> Scored:
        return Scored(float(of.mean()), 30, weighted=lambda weights: float(weights @ of) / 30)

    slow = score_interval(scored(values), "", EXAMPLES, lambda: float(next(times)))
    fast = score_interval(scored(other), "", EXAMPLES)
    assert (slow.samples, fast.samples) == (50, RESAMPLES)
    a = Measurement("x", values.mean(), "", "lower", slow.low, slow.high, per_example=slow.results)
    b = Measurement("x", other.mean(), "", "lower", fast.low, fast.high, per_example=fast.results)
    difference = paired_difference(a, b)
    assert difference is not None
    assert 0.02 < difference.high - difference.low < 0.08  # 2 x 1.96 x 0.05 / sqrt(30) = 0.036
