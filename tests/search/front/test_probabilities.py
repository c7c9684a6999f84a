"""Chances to be on the front agree with formulas and plain simulations."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from paretune.search.front import probabilities
from paretune.search.front.noisy_points import NoisyPoints, noisy_points
from paretune.search.front.pareto import knee, non_dominated
from paretune.search.front.probabilities import (
    DRAWS,
    contenders,
    knee_chances,
    non_dominated_chances,
    shrink,
)
from paretune.search.study.records import Axis
from support.measurements import latency, paired_accuracy

ERROR = 3 * 0.5 / math.sqrt(DRAWS)
"""Three standard errors of a share of DRAWS, at most."""


def test_chances_of_two_points_in_one_objective_are_the_normal_integral() -> None:
    chances = non_dominated_chances(np.array([[0.0], [0.5]]), np.array([[0.3], [0.4]]))
    expected = NormalDist().cdf(0.5 / 0.5)
    assert chances == pytest.approx([expected, 1 - expected], abs=ERROR)


def test_chances_of_two_points_that_differ_in_noise_only_are_three_quarters() -> None:
    # Equal in an exact objective: a point is dominated if the other is lower in both noisy ones.
    chances = non_dominated_chances(np.zeros((2, 3)), np.array([[0.1, 0.1, 0.0]] * 2))
    assert chances == pytest.approx([0.75, 0.75], abs=ERROR)


def test_chances_of_exact_points_are_one_on_the_front_and_zero_elsewhere() -> None:
    losses = np.random.default_rng(0).uniform(size=(60, 3))
    chances = non_dominated_chances(losses, np.zeros_like(losses))
    assert list(chances) == list(non_dominated(losses).astype(float))


def test_chances_of_equal_exact_points_are_one() -> None:
    assert list(non_dominated_chances(np.ones((2, 2)), np.zeros((2, 2)))) == [1.0, 1.0]


def test_surely_dominated_points_have_no_chance_and_change_no_other() -> None:
    points, noise = np.array([[0.0, 1.0], [1.0, 0.0]]), np.full((2, 2), 0.01)
    worse = np.vstack([points, np.full((500, 2), 5.0)])
    chances = non_dominated_chances(worse, np.full((502, 2), 0.01))
    assert list(chances[:2]) == list(non_dominated_chances(points, noise)) == [1.0, 1.0]
    assert not chances[2:].any()


def test_chances_agree_with_a_plain_simulation() -> None:
    # The definition, draw by draw, for random studies with no, one and two exact objectives.
    random = np.random.default_rng(4)
    for noisy in ([0.2, 0.1, 0.0], [0.1, 0.3, 0.2], [0.0, 0.2, 0.0]):
        means = random.uniform(size=(40, 3)).round(1)
        deviations = np.array(noisy) * random.uniform(0.2, 1.0, size=(40, 1))
        drawn = means + deviations * random.normal(size=(3000, 40, 3))
        expected = np.mean([non_dominated(points) for points in drawn], axis=0)
        chances = non_dominated_chances(means, deviations)
        assert chances == pytest.approx(expected, abs=1.5 * ERROR)
        assert ((chances > 0.05) & (chances < 0.95)).sum() > 5


def test_only_the_first_layers_of_many_points_are_drawn_which_changes_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(6)
    means, deviations = random.uniform(size=(600, 3)), np.full((600, 3), [0.1, 0.0, 0.0])
    all_drawn = non_dominated_chances(means, deviations)
    monkeypatch.setattr(probabilities, "MOST_POINTS", 150)
    chances = non_dominated_chances(means, deviations)
    front = non_dominated(means)
    assert (chances[front] > 0).all() and front.sum() > 20
    assert (chances > 0).sum() < (all_drawn > 0).sum()
    assert chances.sum() == pytest.approx(all_drawn.sum(), rel=0.1)
    assert chances[front] == pytest.approx(all_drawn[front], abs=2 * ERROR)
    monkeypatch.setattr(probabilities, "MOST_POINTS", 1)
    assert (non_dominated_chances(means, deviations)[front] > 0).all()  # never left out


def test_chances_depend_on_the_seed_and_not_on_the_global_random_state() -> None:
    random = np.random.default_rng(1)
    points, noise = random.normal(size=(50, 3)), np.full((50, 3), 0.3)
    before = np.random.get_state()[1].copy()
    assert list(non_dominated_chances(points, noise)) == list(non_dominated_chances(points, noise))
    assert list(non_dominated_chances(points, noise)) != list(
        non_dominated_chances(points, noise, seed=1)
    )
    assert (np.random.get_state()[1] == before).all()


def test_chances_of_no_points_are_empty() -> None:
    assert len(non_dominated_chances(np.empty((0, 2)), np.empty((0, 2)))) == 0


def test_shrink_removes_the_luck_of_equal_points() -> None:
    noise = 0.02
    seen = np.random.default_rng(0).normal(0, noise, (400, 1))
    shrunk = shrink(seen, np.full_like(seen, noise))
    assert seen.min() < -2.5 * noise
    assert shrunk.min() > -0.6 * noise


def test_shrink_keeps_real_differences() -> None:
    true = np.random.default_rng(0).normal(0, 1.0, (400, 1))
    shrunk = shrink(true, np.full_like(true, 0.02))
    assert shrunk == pytest.approx(true, abs=0.01)


def test_shrunk_means_are_closer_to_the_truth_for_the_best() -> None:
    random = np.random.default_rng(5)
    true = random.normal(0, 1.0, (2000, 1))
    seen = true + random.normal(0, 1.0, true.shape)
    shrunk = shrink(seen, np.ones_like(seen))
    best = np.argsort(seen[:, 0])[:20]
    assert (seen - true)[best].mean() < -1.0  # the best were lucky
    assert abs((shrunk - true)[best].mean()) < 0.3


def test_shrink_removes_luck_when_some_trials_collapsed() -> None:
    noise = 0.02
    random = np.random.default_rng(0)
    seen = np.concatenate([random.normal(0, noise, 200), np.full(40, 0.9)])[:, None]
    shrunk = shrink(seen, np.full_like(seen, noise))
    assert shrunk.min() > -1.0 * noise
    assert (shrunk[200:] == 0.9).all()


def test_shrink_does_not_change_few_or_exact_points() -> None:
    seven = np.arange(7.0)[:, None]
    assert (shrink(seven, np.ones_like(seven)) == seven).all()
    twenty = np.arange(20.0)[:, None]
    assert (shrink(twenty, np.zeros_like(twenty)) == twenty).all()


def test_knee_chance_of_exact_points_is_one_for_the_knee() -> None:
    front = np.array([[0.0, 1.0], [0.1, 0.3], [0.4, 0.1], [1.0, 0.0]])
    chances = knee_chances(front, np.zeros_like(front))
    assert list(chances) == [float(i == knee(front)) for i in range(4)]


def test_knee_chances_agree_with_a_plain_simulation() -> None:
    random = np.random.default_rng(2)
    ends = np.sort(random.uniform(size=(2, 12)), axis=1)
    front = np.column_stack([ends[0], ends[1][::-1], random.uniform(size=12)])
    deviations = np.full(front.shape, [0.1, 0.0, 0.05])
    drawn = front + deviations * random.normal(size=(3000, 12, 3))
    expected = np.bincount([knee(points) for points in drawn], minlength=12) / 3000
    assert knee_chances(front, deviations) == pytest.approx(expected, abs=1.5 * ERROR)


def test_two_equal_trials_share_the_knee_chance() -> None:
    front = np.array([[0.0, 1.0], [0.2, 0.2], [0.2, 0.2], [1.0, 0.0]])
    chances = knee_chances(front, np.array([[0.0, 0.0], [0.01, 0.0], [0.01, 0.0], [0.0, 0.0]]))
    assert chances == pytest.approx([0.0, 0.5, 0.5, 0.0], abs=ERROR)


# -- pairs -----------------------------------------------------------------------------------------


def paired_front(count: int, examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns times [N], and whether each example is correct [N, examples], slower is better."""
    random = np.random.default_rng(seed)
    hard = random.random(examples)
    skill = np.linspace(0.10, 0.06, count)
    right = hard + random.normal(0, 0.1, (count, examples)) > skill[:, None]
    return np.arange(count, dtype=float), right


def points_of(times: np.ndarray, right: np.ndarray) -> NoisyPoints:
    axes = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
    trials = [
        {"accuracy": paired_accuracy(bits), "latency": latency(1.0 + time, 0.0)}
        for time, bits in zip(times, right, strict=True)
    ]
    return noisy_points(trials, axes)


def resampled_fronts(times: np.ndarray, right: np.ndarray, draws: int) -> np.ndarray:
    """Returns the share of bootstrap samples of the examples in which each point is on the front.

    The draws of the chances have no ties, so half of a tie counts as one.
    """
    random = np.random.default_rng(5)
    shares = np.zeros(len(times))
    for _ in range(draws):
        sample = random.integers(0, right.shape[1], right.shape[1])
        losses = -right[:, sample].mean(axis=1) + random.normal(0, 1e-6, len(times))
        shares += non_dominated(np.stack([losses, times], axis=1))
    return shares / draws


def test_paired_chances_agree_with_resampling_the_examples() -> None:
    times, right = paired_front(8, 600)
    means, deviations, paired = points_of(times, right)
    chances = non_dominated_chances(means, deviations, paired=paired)
    assert chances == pytest.approx(resampled_fronts(times, right, 2000), abs=2 * ERROR)
    independent = points_of(times, right)
    alone = np.array([bits.std() / math.sqrt(600) for bits in right])
    unpaired = non_dominated_chances(independent.means, np.stack([alone, 0 * alone], axis=1))
    assert np.abs(unpaired - chances).max() > 0.1  # pairs matter here


def test_equal_networks_are_on_the_front_in_every_draw() -> None:
    _, right = paired_front(1, 300)
    means, deviations, paired = points_of(np.zeros(2), np.repeat(right, 2, axis=0))
    chances = non_dominated_chances(means, deviations, paired=paired)
    assert list(chances) == [1.0, 1.0]


def test_slower_network_with_equal_results_is_never_on_the_front() -> None:
    times, right = paired_front(3, 300)
    copies = np.concatenate([right, right[:1]])
    means, deviations, paired = points_of(np.append(times, 0.5), copies)
    chances = non_dominated_chances(means, deviations, paired=paired)
    assert chances[3] == 0.0 and chances[0] > 0.9


def test_paired_knee_chances_agree_with_a_plain_simulation() -> None:
    times, right = paired_front(6, 600)
    points = points_of(times, right)
    chances = knee_chances(points.means, points.deviations, paired=points.paired)
    random = np.random.default_rng(7)
    wins = np.zeros(6)
    for _ in range(3000):
        sample = random.integers(0, 600, 600)
        losses = -right[:, sample].mean(axis=1) + random.normal(0, 1e-6, 6)
        wins[knee(np.stack([losses, points.means[:, 1]], axis=1))] += 1
    assert chances == pytest.approx(wins / 3000, abs=2 * ERROR)


def test_contenders_hold_every_point_with_a_chance() -> None:
    random = np.random.default_rng(4)
    means, deviations = random.random((300, 2)), np.full((300, 2), 0.02)
    points = NoisyPoints(means, deviations, {})
    rows = contenders(points, 100)
    assert set(np.flatnonzero(non_dominated_chances(means, deviations))) <= set(rows.tolist())
    assert len(rows) <= 100 and list(rows) == sorted(rows)
    assert len(contenders(points, 20)) == 20
