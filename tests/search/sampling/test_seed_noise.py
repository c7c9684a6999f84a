"""What samplers do with the noise between seeds."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.ensemble import Ensemble
from paretune.search.sampling.features import FeatureEncoder
from paretune.search.sampling.history import History
from paretune.search.sampling.kernel_fit import Kernel
from paretune.search.sampling.random_forest import RandomForest
from paretune.search.sampling.seed_noise import (
    SeedNoise,
    leaf_size,
    pooled_noise,
    scaled_variance,
    with_noise,
)
from paretune.search.sampling.target_scale import TargetScale
from paretune.search.sampling.thompson import ThompsonSampler
from paretune.search.study.sampler_options import ThompsonParams
from paretune.spaces.domains import Int, Record

SPACE = Record((("x", Int(0, 19)),))


def test_noise_is_pooled_over_plans_by_their_degrees_of_freedom() -> None:
    noise = pooled_noise([[[0.9, 5.0], [0.8, 5.0]], [[0.7, 4.0]], [[0.5, 1.0]] * 3])
    assert noise is not None and noise.freedom == 3
    assert noise.variances == pytest.approx([0.005 / 3, 0.0])
    assert pooled_noise([[[0.7, 4.0]]]) is None


def test_kernel_gets_at_least_the_noise_and_keeps_more() -> None:
    random = np.random.default_rng(0)
    rows = random.random((30, 1))
    targets = np.sin(6 * rows[:, 0])
    targets = (targets - targets.mean()) / targets.std()
    exact = Kernel(np.array([5.0]), 0.1, 1e-4)
    noisy = with_noise(exact, rows, targets, 0.3)
    assert noisy.noise > 10 * exact.noise
    assert with_noise(noisy, rows, targets, 1e-9) == noisy


def test_variance_is_brought_to_the_scale_of_the_process() -> None:
    losses = np.linspace(-0.95, -0.55, 41)
    scale = TargetScale(losses, -1.0)
    small, large = (scaled_variance(v, losses, scale) for v in (0.01**2, 0.03**2))
    assert 0 < small < large
    assert scaled_variance(0.0, losses, scale) == 0.0


@pytest.mark.parametrize(("share", "leaf"), [(0.0, 1), (0.2, 2), (0.5, 4), (1.0, 8)])
def test_leaves_hold_more_trials_the_more_of_the_variance_is_noise(share: float, leaf: int) -> None:
    losses = np.random.default_rng(0).normal(size=(200, 2))
    variances = np.array([share * losses[:, 0].var(), 0.0])
    assert leaf_size(variances, losses) == leaf


def test_prediction_beside_a_lucky_draw_is_less_lucky_if_the_noise_is_known() -> None:
    random = np.random.default_rng(1)
    rows = np.linspace(0, 1, 21, dtype=np.float32)[:, None]
    losses = (0.3 * rows - 0.9 + random.normal(0, 0.002, rows.shape)).astype(float)
    losses[18] = -0.93  # a draw 29 points better than its neighbours
    options = ThompsonParams(acquisition="mean")

    def predicted(noise: np.ndarray | None) -> float:
        ensemble = Ensemble(options, RandomForest(options), np.array([0]))
        at = np.array([[0.895]], dtype=np.float32)
        draw = ensemble.draw(rows, losses, np.array([-1.0]), at, np.random.default_rng(2), noise)
        return float(draw[0, 0])

    truth = 0.3 * 0.895 - 0.9
    assert abs(predicted(np.array([0.1**2])) - truth) < abs(predicted(None) - truth)


def history(*accuracies: float) -> History:
    past = History(FeatureEncoder(SPACE, False), [-1.0])
    for x, value in enumerate(accuracies):
        past.add({"x": x}, [value], feasible=True)
    return past


def test_trained_plan_counts_with_its_mean_and_front_follows() -> None:
    past = history(0.9, 0.8, 0.7)
    assert past.front.tolist() == [[-0.9]]
    past.trained_again({"x": 0}, [0.75], 3)
    past.trained_again({"x": 19}, [0.99], 3)  # it has no result here
    assert past.losses[:, 0].tolist() == [-0.75, -0.8, -0.7]
    assert past.front.tolist() == [[-0.8]]


def test_front_to_improve_is_without_luck_and_less_changed_after_repeats() -> None:
    sampler = ThompsonSampler(SPACE, {"accuracy": "maximize"}, (), ThompsonParams())
    accuracies = [0.7 + 0.005 * (x % 3) for x in range(20)]
    accuracies[9] = 0.90
    for x, value in enumerate(accuracies):
        sampler.history.add({"x": x}, [value], feasible=True)
    noise = SeedNoise(np.array([0.06**2]), 4)
    once = sampler._losses.expected_front(noise)[0, 0]
    sampler.history.trained_again({"x": 9}, [0.90], 9)
    often = sampler._losses.expected_front(noise)[0, 0]
    assert -0.90 <= often < once
    assert sampler._losses.expected_front(SeedNoise(np.array([0.0]), 4)).tolist() == [[-0.90]]
