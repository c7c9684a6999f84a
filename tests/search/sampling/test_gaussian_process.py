"""The Gaussian process learns from few trials and knows its error; its transform inverts."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.features import ABSENT
from paretune.search.sampling.gaussian_process import MOST_TRIALS, GaussianProcess
from paretune.search.sampling.log_transform import LogTransform
from paretune.search.sampling.random_forest import RandomForest
from paretune.search.study.sampler_options import ThompsonParams

SIGNS = np.array([-1.0, 1.0, 1.0, -1.0])
"""Accuracy, latency, a quantity that may be negative, throughput."""


def losses(random: np.random.Generator, count: int) -> np.ndarray:
    values = np.column_stack(
        [
            random.random(count),
            10 ** random.normal(size=count),
            random.normal(size=count),
            100 * (1 + random.random(count)),
        ]
    )
    return values * SIGNS


def test_log_transform_inverts_and_keeps_the_order() -> None:
    observed = losses(np.random.default_rng(0), 40)
    observed[:, 0] = -np.clip(-observed[:, 0], 0.01, 0.99)
    transform = LogTransform(observed, SIGNS)
    assert transform.inverse(transform.transformed) == pytest.approx(observed)
    assert (transform.transformed.argsort(axis=0) == observed.argsort(axis=0)).all()


def test_log_transform_takes_logarithms_of_positive_quantities_only() -> None:
    observed = np.array([[-0.9, 2.0, -1.0, -50.0], [-0.5, 4.0, 3.0, -100.0]])
    transformed = LogTransform(observed, SIGNS).transformed
    assert transformed[:, 0] == pytest.approx([np.log(0.1 / 0.9), 0.0])
    assert transformed[:, 1] == pytest.approx(np.log([2.0, 4.0]))
    assert transformed[:, 2].tolist() == [-1.0, 3.0]
    assert transformed[:, 3] == pytest.approx(-np.log([50.0, 100.0]))


def test_accuracies_of_zero_and_one_have_finite_logits() -> None:
    observed = np.array([[-1.0], [0.0]])
    transform = LogTransform(observed, SIGNS[:1])
    assert np.isfinite(transform.transformed).all()
    assert transform.inverse(transform.transformed) == pytest.approx(observed, abs=0.004)


def network(row: np.ndarray) -> np.ndarray:
    """Returns losses of accuracy and size, which depend on width, cut, rate and kind."""
    width, cut, rate, kind = row.T
    error = np.exp(-0.8 - 1.2 * width + 1.5 * cut - (rate - 0.6) + 0.5 * kind)
    size = np.exp(3 + 2 * width - 1.5 * cut + kind)
    return np.column_stack([1 / (1 + error), size]) * np.array([-1.0, 1.0])


def rows(random: np.random.Generator, count: int) -> np.ndarray:
    features = random.random((count, 4)).astype(np.float32)
    features[:, 3] = features[:, 3] > 0.5
    return features


def test_gaussian_process_predicts_networks_better_than_the_forest() -> None:
    random = np.random.default_rng(1)
    trained, at = rows(random, 12), rows(random, 200)
    gaussian = GaussianProcess(SIGNS[:2], noise=0).draw(trained, network(trained), at, random)
    trees = RandomForest(ThompsonParams(acquisition="mean")).draw(
        trained, network(trained), at, random
    )
    errors = [np.abs(predicted - network(at)).mean(axis=0) for predicted in (gaussian, trees)]
    assert (errors[0] < 0.5 * errors[1]).all()


def test_spread_of_draws_is_as_large_as_the_error_of_the_mean() -> None:
    random = np.random.default_rng(2)
    trained, at = rows(random, 8), rows(random, 300)
    observed = np.log(network(trained)[:, 1:] + 5 * random.random((8, 1)))
    mean = GaussianProcess(SIGNS[1:2], noise=0).draw(trained, observed, at, random)
    draws = [GaussianProcess(SIGNS[1:2]).draw(trained, observed, at, random) for _ in range(40)]
    spread = np.std(draws, axis=0)
    assert np.mean(draws, axis=0) == pytest.approx(mean, abs=1.0)
    error = np.abs(np.log(network(at)[:, 1:]) - mean)
    assert 0.2 < np.median(error) / np.median(spread) < 2.0
    fitted = GaussianProcess(SIGNS[1:2]).draw(trained, observed, trained, random)
    assert np.abs(fitted - observed).mean() < np.median(spread) + 0.2, (
        "trained networks are certain"
    )


@pytest.mark.parametrize("count", [1, 2, MOST_TRIALS + 50])
def test_any_number_of_trials_is_accepted(count: int) -> None:
    random = np.random.default_rng(3)
    trained, at = rows(random, count), rows(random, 5)
    trained[:, 1] = at[:2, 1] = ABSENT
    drawn = GaussianProcess(SIGNS[:2]).draw(trained, network(rows(random, count)), at, random)
    assert drawn.shape == (5, 2)
    assert np.isfinite(drawn).all()
    assert (drawn[:, 0] < 0).all(), "an accuracy between 0 and 1"


def test_equal_losses_are_predicted_as_they_are() -> None:
    random = np.random.default_rng(4)
    equal = np.full((6, 1), 7.0)
    drawn = GaussianProcess(np.array([1.0])).draw(rows(random, 6), equal, rows(random, 3), random)
    assert drawn == pytest.approx(np.full((3, 1), 7.0), rel=1e-4)


def test_difference_of_two_networks_is_surer_than_either() -> None:
    random = np.random.default_rng(0)
    rows = random.uniform(size=(60, 3))
    targets = 2.0 * rows[:, 0] - rows[:, 1] + 0.05 * random.standard_normal(60)
    pair = np.array([[0.8, 0.5, 0.5], [0.3, 0.5, 0.5]])
    value, deviation = GaussianProcess.difference(rows, targets, pair)
    assert value == pytest.approx(1.0, abs=0.1)
    assert 0 < deviation < 0.1


def test_difference_of_equal_rows_is_exactly_zero() -> None:
    rows = np.random.default_rng(1).uniform(size=(12, 2))
    value, deviation = GaussianProcess.difference(rows, rows[:, 0], rows[[3, 3]])
    assert (value, deviation) == (0.0, 0.0)
