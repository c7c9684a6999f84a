"""The Gaussian process knows how surely two networks differ; the transform of losses inverts."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.gaussian_process import GaussianProcess
from paretune.search.sampling.log_transform import LogTransform

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
