"""The ensemble weighs its models by their predictions, and is the same in a resumed run."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.ensemble import (
    MOST_TRIALS,
    Ensemble,
    left_out,
    predict,
)
from paretune.search.sampling.features import ABSENT
from paretune.search.sampling.kernel_fit import FITTED, Kernel, fit_kernel
from paretune.search.sampling.random_forest import RandomForest
from paretune.search.sampling.target_scale import TargetScale
from paretune.search.study.sampler_options import ThompsonParams

SIGNS = np.array([-1.0, 1.0])
"""Accuracy and size."""


def network(rows: np.ndarray) -> np.ndarray:
    """Returns losses of accuracy and size, which depend on width, cut, rate and kind."""
    width, cut, rate, kind = rows.T
    error = np.exp(-0.8 - 1.2 * width + 1.5 * cut - (rate - 0.6) + 0.5 * kind)
    size = np.exp(3 + 2 * width - 1.5 * cut + kind)
    return np.column_stack([1 / (1 + error), size]) * SIGNS


def rows(random: np.random.Generator, count: int) -> np.ndarray:
    features = random.random((count, 4)).astype(np.float32)
    features[:, 3] = features[:, 3] > 0.5
    return features


def ensemble(surrogate: str = "ensemble", acquisition: str = "thompson") -> Ensemble:
    options = ThompsonParams.model_validate({"surrogate": surrogate, "acquisition": acquisition})
    return Ensemble(options, RandomForest(options), np.arange(4))


def errors(surrogate: str, losses: np.ndarray, trained: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns mean absolute errors [K] of predictions for unseen rows; losses are [T + N, K]."""
    model, count = ensemble(surrogate, "mean"), len(trained)
    signs = np.ones(losses.shape[1])
    random = np.random.default_rng(0)
    predicted = model.draw(trained, losses[:count], signs, at, random)
    mean: np.ndarray = np.abs(predicted - losses[count:]).mean(axis=0)
    return mean


def test_process_predicts_networks_better_than_the_forest() -> None:
    random = np.random.default_rng(1)
    trained, at = rows(random, 12), rows(random, 200)
    losses = network(np.vstack([trained, at])) * SIGNS
    process, forest, both = (
        errors(name, losses, trained, at)
        for name in ("gaussian_process", "random_forest", "ensemble")
    )
    assert (process < 0.6 * forest).all()
    assert (both < forest).all()


def test_weight_follows_the_model_that_predicts_better() -> None:
    random = np.random.default_rng(5)
    every = random.random((320, 4)).astype(np.float32)
    trained, at = every[:120], every[120:]
    steps = 3.0 * (every[:, :1] > 0.37) * (every[:, 1:2] > 0.61) + (every[:, 2:3] > 0.8)
    process, forest, both = (
        errors(name, steps, trained, at)[0]
        for name in ("gaussian_process", "random_forest", "ensemble")
    )
    assert forest < 0.5 * process
    assert both < 0.75 * process


def test_draws_spread_about_as_far_as_the_mean_errs() -> None:
    random = np.random.default_rng(2)
    trained, at = rows(random, 10), rows(random, 300)
    losses = network(np.vstack([trained, at]))[:, 1:]
    args = (trained, losses[:10], SIGNS[1:], at)
    mean = ensemble(acquisition="mean").draw(*args, random)
    draws = [ensemble().draw(*args, random) for _ in range(30)]
    error, spread = np.abs(np.log(losses[10:] / mean)), np.std(np.log(draws), axis=0)
    assert 0.2 < np.median(error) / np.median(spread) < 3.0


@pytest.mark.parametrize("count", [1, 2, MOST_TRIALS + 30])
def test_any_number_of_trials_is_accepted(count: int) -> None:
    random = np.random.default_rng(3)
    trained, at = rows(random, count), rows(random, 5)
    trained[:, 1] = at[:2, 1] = ABSENT
    drawn = ensemble().draw(trained, network(rows(random, count)), SIGNS, at, random)
    assert drawn.shape == (5, 2)
    assert np.isfinite(drawn).all()


def test_equal_losses_are_predicted_as_they_are() -> None:
    random = np.random.default_rng(4)
    drawn = ensemble().draw(
        rows(random, 6), np.full((6, 1), 7.0), SIGNS[1:], rows(random, 3), random
    )
    assert drawn == pytest.approx(np.full((3, 1), 7.0), rel=1e-4)


def test_draw_depends_on_the_trials_and_not_on_earlier_draws() -> None:
    random = np.random.default_rng(6)
    trained, at = rows(random, 30), rows(random, 20)
    losses = network(trained)
    used = ensemble()
    for count in range(3, 30):
        used.draw(trained[:count], losses[:count], SIGNS, at, np.random.default_rng(count))
    one, other = (
        e.draw(trained, losses, SIGNS, at, np.random.default_rng(9)) for e in (used, ensemble())
    )
    assert (one == other).all()


@pytest.mark.parametrize("is_ordered", [True, False])
def test_forest_draws_alone_when_no_parameter_is_ordered(is_ordered: bool) -> None:
    random = np.random.default_rng(10)
    trained, at = rows(random, 50), rows(random, 20)
    losses, options = network(trained), ThompsonParams()
    both = Ensemble(options, RandomForest(options), np.arange(4), is_ordered)
    drawn, forest = (
        model.draw(trained, losses, SIGNS, at, np.random.default_rng(0))
        for model in (both, ensemble("random_forest"))
    )
    assert (drawn == forest).all() == (not is_ordered)


def test_drawn_losses_stay_near_those_of_the_trials() -> None:
    losses = np.exp(np.linspace(0.0, 1.0, 20))
    far = TargetScale(losses, 1.0).inverse(np.array([-1e9, 1e9]))
    assert 0.001 < far[0] < 1.0
    assert np.e < far[1] < 1000.0


def test_kernel_finds_the_parameters_that_matter() -> None:
    random = np.random.default_rng(7)
    trained = random.random((FITTED + 20, 4))
    targets = np.sin(6 * trained[:, 1])
    kernel = fit_kernel(trained, targets - targets.mean(), np.array([0, 1, 2, 2]))
    assert kernel.relevances[1] > 20 * kernel.relevances[[0, 2, 3]].max()
    assert kernel.relevances[2] == kernel.relevances[3], "one group"
    assert kernel.noise < 0.01


def test_left_out_prediction_is_that_of_a_process_without_the_trial() -> None:
    random = np.random.default_rng(8)
    trained, kernel = random.random((7, 3)), Kernel(np.array([1.0, 0.5, 2.0]), 0.2, 0.1)
    targets = random.standard_normal(7)
    expected = [
        predict(kernel, np.delete(trained, i, 0), np.delete(targets, i), trained[[i]], random)[0][0]
        for i in range(7)
    ]
    assert left_out(kernel, trained, targets) == pytest.approx(expected)


# -- the scale of losses -------------------------------------------------------------------------


def test_scale_inverts_and_keeps_the_order() -> None:
    random = np.random.default_rng(0)
    for losses, sign in [
        (-random.random(40), -1.0),
        (np.exp(3 * random.standard_normal(40)), 1.0),
        (np.append(random.standard_normal(40), [50.0, 1e6]), 1.0),
        (-100 * (1 + random.random(40)), -1.0),
        (np.full(5, 3.0), 1.0),
    ]:
        scale = TargetScale(losses, sign)
        assert scale.inverse(scale.targets) == pytest.approx(losses, rel=1e-6, abs=0.004)
        assert scale.of(losses) == pytest.approx(scale.targets, abs=1e-6)
        order = losses.argsort(kind="stable")
        assert (np.diff(scale.targets[order]) >= 0).all()


def test_outlier_does_not_hide_the_other_losses() -> None:
    losses = np.append(np.linspace(-1.0, 1.0, 30), 1e6)
    assert np.ptp(TargetScale(losses, 1.0).targets[:30]) > 0.5


def test_scale_is_logarithmic_for_sizes_and_linear_for_evenly_spread_losses() -> None:
    sizes = np.exp(np.linspace(0.0, 9.0, 30))
    assert np.diff(TargetScale(sizes, 1.0).targets) == pytest.approx(
        np.diff(TargetScale(sizes, 1.0).targets)[0]
    )
    even = np.linspace(0.001, 1.0, 30)
    assert np.diff(TargetScale(even, 1.0).targets) == pytest.approx(
        np.diff(TargetScale(even, 1.0).targets)[0]
    )
