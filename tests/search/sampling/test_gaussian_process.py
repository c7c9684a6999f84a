"""The Gaussian process and its scales: what it learns from few trials, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.features import ABSENT
from paretune.search.sampling.gaussian_process import MOST, GaussianProcess
from paretune.search.sampling.log_transform import LogTransform
from paretune.search.sampling.tree_surrogate import TreeSurrogate
from paretune.search.study.sampler_options import ThompsonParams

SIGNS = np.array([-1.0, 1.0, 1.0, -1.0])
"""Of accuracy, latency, something that may be negative, throughput."""


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


def test_scales_lead_back_and_keep_the_order() -> None:
    told = losses(np.random.default_rng(0), 40)
    told[:, 0] = -np.clip(-told[:, 0], 0.01, 0.99)
    scales = LogTransform(told, SIGNS)
    assert scales.losses(scales.of) == pytest.approx(told)
    assert (scales.of.argsort(axis=0) == told.argsort(axis=0)).all()


def test_scales_take_logarithms_of_what_is_positive_only() -> None:
    told = np.array([[-0.9, 2.0, -1.0, -50.0], [-0.5, 4.0, 3.0, -100.0]])
    found = LogTransform(told, SIGNS).of
    assert found[:, 0] == pytest.approx([np.log(0.1 / 0.9), 0.0])
    assert found[:, 1] == pytest.approx(np.log([2.0, 4.0]))
    assert found[:, 2].tolist() == [-1.0, 3.0]
    assert found[:, 3] == pytest.approx(-np.log([50.0, 100.0]))


def test_accuracy_of_all_or_nothing_stays_finite() -> None:
    told = np.array([[-1.0], [0.0]])
    scales = LogTransform(told, SIGNS[:1])
    assert np.isfinite(scales.of).all()
    assert scales.losses(scales.of) == pytest.approx(told, abs=0.004)


def network(row: np.ndarray) -> np.ndarray:
    """Accuracy and size of a network, as they depend on width, cut, rate, and kind."""
    width, cut, rate, kind = row.T
    error = np.exp(-0.8 - 1.2 * width + 1.5 * cut - (rate - 0.6) + 0.5 * kind)
    size = np.exp(3 + 2 * width - 1.5 * cut + kind)
    return np.column_stack([1 / (1 + error), size]) * np.array([-1.0, 1.0])


def rows(random: np.random.Generator, count: int) -> np.ndarray:
    found = random.random((count, 4)).astype(np.float32)
    found[:, 3] = found[:, 3] > 0.5
    return found


def test_it_foresees_networks_better_than_trees_do() -> None:
    random = np.random.default_rng(1)
    told, at = rows(random, 12), rows(random, 200)
    gaussian = GaussianProcess(SIGNS[:2], noise=0).draw(told, network(told), at, random)
    trees = TreeSurrogate(ThompsonParams(acquisition="mean")).draw(told, network(told), at, random)
    wrong = [np.abs(said - network(at)).mean(axis=0) for said in (gaussian, trees)]
    assert (wrong[0] < 0.5 * wrong[1]).all()


def test_draw_is_spread_as_far_as_the_mean_is_wrong() -> None:
    random = np.random.default_rng(2)
    told, at = rows(random, 8), rows(random, 300)
    came = np.log(network(told)[:, 1:] + 5 * random.random((8, 1)))
    mean = GaussianProcess(SIGNS[1:2], noise=0).draw(told, came, at, random)
    draws = [GaussianProcess(SIGNS[1:2]).draw(told, came, at, random) for _ in range(40)]
    spread = np.std(draws, axis=0)
    assert np.mean(draws, axis=0) == pytest.approx(mean, abs=1.0)
    wrong = np.abs(np.log(network(at)[:, 1:]) - mean)
    assert 0.2 < np.median(wrong) / np.median(spread) < 2.0
    again = GaussianProcess(SIGNS[1:2]).draw(told, came, told, random)
    assert np.abs(again - came).mean() < np.median(spread) + 0.2, "what was told is known best"


@pytest.mark.parametrize("told", [1, 2, MOST + 50])
def test_any_number_of_trials_is_taken(told: int) -> None:
    random = np.random.default_rng(3)
    known, at = rows(random, told), rows(random, 5)
    known[:, 1] = at[:2, 1] = ABSENT
    found = GaussianProcess(SIGNS[:2]).draw(known, network(rows(random, told)), at, random)
    assert found.shape == (5, 2)
    assert np.isfinite(found).all()
    assert (found[:, 0] < 0).all(), "an accuracy between 0 and 1"


def test_equal_quantities_are_foreseen_as_they_are() -> None:
    random = np.random.default_rng(4)
    told = np.full((6, 1), 7.0)
    found = GaussianProcess(np.array([1.0])).draw(rows(random, 6), told, rows(random, 3), random)
    assert found == pytest.approx(np.full((3, 1), 7.0), rel=1e-4)
