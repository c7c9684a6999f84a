"""Regression scores: equal to scikit-learn's, also with weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from paretune.objectives.metrics.regression import regression_scores

LIBRARY = {"rmse": root_mean_squared_error, "mae": mean_absolute_error, "r2": r2_score}


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_values_equal_scikit_learns_with_and_without_weights(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(shape))
    true = random.normal(50, 9, shape)
    guess = (true + random.normal(0, 4, shape)).astype(np.float32)
    weights = random.integers(0, 4, 40).astype(float)
    scores = regression_scores(guess, true)
    for name, library in LIBRARY.items():
        assert scores[name].value == pytest.approx(library(true, guess), rel=1e-6)
        if name != "mae":
            weighted = scores[name].weighted
            assert weighted is not None
            expected = library(true, guess, sample_weight=weights)
            assert weighted(weights) == pytest.approx(expected, rel=1e-6)
            assert weighted(np.ones(40)) == pytest.approx(scores[name].value, rel=1e-9)


def test_mae_keeps_the_error_of_each_example() -> None:
    scores = regression_scores(np.array([[1.0, 2.0], [3.0, 9.0]]), np.array([[1.0, 4.0], [2, 9]]))
    assert scores["mae"].values is not None
    assert scores["mae"].values.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("guess", "expected"), [([2.0, 2, 2], 1.0), ([2.0, 2, 3], 0.0)])
def test_r2_of_a_constant_target_is_scikit_learns(guess: list[float], expected: float) -> None:
    true = np.full(3, 2.0)
    scored = regression_scores(np.array(guess), true)["r2"]
    assert scored.weighted is not None
    assert scored.value == expected == r2_score(true, guess)
    assert scored.weighted(np.ones(3)) == expected


def test_r2_of_one_example_is_undefined() -> None:
    scores = regression_scores(np.array([1.0]), np.array([3.0]))
    assert math.isnan(scores["r2"].value)
    assert scores["rmse"].value == scores["mae"].value == 2.0
