"""Noise: intervals of differences and probabilities, against formulas."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.classification_scores import wilson
from paretune.search.front import probabilities
from paretune.search.front.pareto import knee, non_dominated
from paretune.search.front.probabilities import (
    DRAWS,
    Z95,
    differ,
    interval,
    knee_chances,
    non_dominated_chances,
    normals,
    of_one_session,
    shrunk,
)
from paretune.search.study.records import Axis

ERROR = 3 * 0.5 / math.sqrt(DRAWS)
"""Three standard errors of a share of DRAWS, at most."""


def accuracy(right: int, seen: int) -> Measurement:
    low, high = wilson(right, seen)
    return Measurement("accuracy", right / seen, "fraction", "higher", low, high, seen)


def latency(value: float, percent: float, levels: list[float] | None = None) -> Measurement:
    factor = math.exp(percent / 100)
    session = {"session": {"id": "one", "log_levels": levels}} if levels else {}
    low, high = value / factor, value * factor
    return Measurement("latency", value, "ms", "lower", low, high, 9, session)


def test_interval_of_two_proportions_is_newcombes() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 = 0.2, from 0.0524 to 0.3339
    low, high = interval(accuracy(56, 70), accuracy(48, 80))
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert differ(accuracy(56, 70), accuracy(48, 80))
    # 9/10 - 3/10: from 0.1705 to 0.8090
    assert interval(accuracy(9, 10), accuracy(3, 10)) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_interval_of_two_times_is_of_the_logarithm_of_their_ratio() -> None:
    low, high = interval(latency(2.0, 3), latency(1.0, 4))
    assert (low, high) == pytest.approx((math.log(2) - 0.05, math.log(2) + 0.05))


@pytest.mark.parametrize(("ratio", "expected"), [(1.049, False), (1.055, True)])
def test_times_differ_beyond_both_intervals_together(ratio: float, expected: bool) -> None:
    assert differ(latency(ratio, 3), latency(1.0, 4)) == expected
    assert differ(latency(1.0, 4), latency(ratio, 3)) == expected


def test_what_a_session_does_to_both_is_no_doubt_about_their_difference() -> None:
    drift = [0.0, 0.2, -0.1, 0.3]
    slow = latency(1.02, 20, [math.log(1.02) + d for d in drift])
    fast = latency(1.0, 20, [d + 0.001 * (-1) ** i for i, d in enumerate(drift)])
    assert differ(slow, fast)
    assert not differ(latency(1.02, 20), latency(1.0, 20))


def test_exact_quantities_differ_by_anything() -> None:
    sizes = [Measurement("size", v, "bytes", "lower", v, v) for v in (100.0, 101.0, 100.0)]
    assert differ(sizes[0], sizes[1])
    assert not differ(sizes[0], sizes[2])


def test_normals_are_losses_in_the_middle_of_the_interval() -> None:
    axes = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
    trials = [
        {"accuracy": accuracy(90, 100), "latency": latency(2.0, 5)},
        {"accuracy": accuracy(100, 100), "latency": latency(1.0, 3)},
    ]
    middles, deviations = normals(trials, axes)
    low, high = wilson(100, 100)
    assert middles[1, 0] == pytest.approx(-(low + high) / 2)
    assert deviations[1, 0] == pytest.approx((high - low) / 2 / Z95)
    assert middles[:, 1] == pytest.approx([math.log(2), 0.0])
    assert deviations[:, 1] == pytest.approx([0.05 / Z95, 0.03 / Z95])


def test_deviations_of_one_session_make_up_those_of_the_differences() -> None:
    random = np.random.default_rng(3)
    own = np.array([0.01, 0.02, 0.04, 0.08])
    drift = random.normal(0, 1.0, 4000)
    levels = drift + own[:, None] * random.normal(0, 1, (4, 4000))
    found = of_one_session([latency(1.0, 200, list(row)) for row in levels])
    assert found is not None
    assert found == pytest.approx(own / math.sqrt(4000), rel=0.1)


def test_measurements_of_several_sessions_have_no_common_error() -> None:
    one, two = latency(1.0, 2, [0.0, 0.1, 0.0]), latency(1.0, 2, [0.0, 0.1, 0.2])
    assert of_one_session([one, two]) is None  # too few to tell whose error it is
    assert of_one_session([one, two, latency(1.0, 2)]) is None


def test_chance_of_two_by_one_objective_is_the_normal_integral() -> None:
    found = non_dominated_chances(np.array([[0.0], [0.5]]), np.array([[0.3], [0.4]]))
    expected = NormalDist().cdf(0.5 / 0.5)
    assert found == pytest.approx([expected, 1 - expected], abs=ERROR)


def test_chance_of_twins_that_differ_in_noise_alone() -> None:
    # Equal in an exact objective: one is beaten when the other is lower in both noisy ones.
    found = non_dominated_chances(np.zeros((2, 3)), np.array([[0.1, 0.1, 0.0]] * 2))
    assert found == pytest.approx([0.75, 0.75], abs=ERROR)


def test_chances_without_noise_are_the_front() -> None:
    losses = np.random.default_rng(0).uniform(size=(60, 3))
    found = non_dominated_chances(losses, np.zeros_like(losses))
    assert list(found) == list(non_dominated(losses).astype(float))


def test_equal_exact_points_are_both_on_the_front() -> None:
    assert list(non_dominated_chances(np.ones((2, 2)), np.zeros((2, 2)))) == [1.0, 1.0]


def test_what_is_surely_beaten_has_no_chance_and_changes_no_other() -> None:
    points, noise = np.array([[0.0, 1.0], [1.0, 0.0]]), np.full((2, 2), 0.01)
    worse = np.vstack([points, np.full((500, 2), 5.0)])
    found = non_dominated_chances(worse, np.full((502, 2), 0.01))
    assert list(found[:2]) == list(non_dominated_chances(points, noise)) == [1.0, 1.0]
    assert not found[2:].any()


def test_chances_agree_with_drawing_each_point_and_comparing_all() -> None:
    # The definition, one draw after another, for random studies: one exact objective, and none.
    random = np.random.default_rng(4)
    for noisy in ([0.2, 0.1, 0.0], [0.1, 0.3, 0.2], [0.0, 0.2, 0.0]):
        middles = random.uniform(size=(40, 3)).round(1)
        deviations = np.array(noisy) * random.uniform(0.2, 1.0, size=(40, 1))
        drawn = middles + deviations * random.normal(size=(3000, 40, 3))
        expected = np.mean([non_dominated(points) for points in drawn], axis=0)
        found = non_dominated_chances(middles, deviations)
        assert found == pytest.approx(expected, abs=1.5 * ERROR)
        assert ((found > 0.05) & (found < 0.95)).sum() > 5


def test_of_too_many_the_first_layers_are_drawn_and_the_rest_beside_them_changes_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(6)
    middles, deviations = random.uniform(size=(600, 3)), np.full((600, 3), [0.1, 0.0, 0.0])
    whole = non_dominated_chances(middles, deviations)
    monkeypatch.setattr(probabilities, "DRAWN", 150)
    found = non_dominated_chances(middles, deviations)
    front = non_dominated(middles)
    assert (found[front] > 0).all() and front.sum() > 20
    assert (found > 0).sum() < (whole > 0).sum()
    assert found.sum() == pytest.approx(whole.sum(), rel=0.1)
    assert found[front] == pytest.approx(whole[front], abs=2 * ERROR)
    monkeypatch.setattr(probabilities, "DRAWN", 1)
    assert (non_dominated_chances(middles, deviations)[front] > 0).all()  # it is never left out


def test_chances_are_the_same_again_and_leave_the_global_state_alone() -> None:
    random = np.random.default_rng(1)
    points, noise = random.normal(size=(50, 3)), np.full((50, 3), 0.3)
    before = np.random.get_state()[1].copy()
    assert list(non_dominated_chances(points, noise)) == list(non_dominated_chances(points, noise))
    assert list(non_dominated_chances(points, noise)) != list(
        non_dominated_chances(points, noise, seed=1)
    )
    assert (np.random.get_state()[1] == before).all()


def test_no_points_have_no_chances() -> None:
    assert len(non_dominated_chances(np.empty((0, 2)), np.empty((0, 2)))) == 0


def test_luck_of_equals_is_taken_out() -> None:
    noise = 0.02
    seen = np.random.default_rng(0).normal(0, noise, (400, 1))
    found = shrunk(seen, np.full_like(seen, noise))
    assert seen.min() < -2.5 * noise
    assert found.min() > -0.6 * noise


def test_real_differences_stay() -> None:
    true = np.random.default_rng(0).normal(0, 1.0, (400, 1))
    found = shrunk(true, np.full_like(true, 0.02))
    assert found == pytest.approx(true, abs=0.01)


def test_drawn_towards_the_middle_errs_less_than_as_seen() -> None:
    random = np.random.default_rng(5)
    true = random.normal(0, 1.0, (2000, 1))
    seen = true + random.normal(0, 1.0, true.shape)
    found = shrunk(seen, np.ones_like(seen))
    best = np.argsort(seen[:, 0])[:20]
    assert (seen - true)[best].mean() < -1.0  # the best seen were lucky
    assert abs((found - true)[best].mean()) < 0.3


def test_collapsed_trials_do_not_hide_the_luck() -> None:
    noise = 0.02
    random = np.random.default_rng(0)
    seen = np.concatenate([random.normal(0, noise, 200), np.full(40, 0.9)])[:, None]
    found = shrunk(seen, np.full_like(seen, noise))
    assert found.min() > -1.0 * noise
    assert (found[200:] == 0.9).all()


def test_few_or_exact_values_are_left_alone() -> None:
    few = np.arange(7.0)[:, None]
    assert (shrunk(few, np.ones_like(few)) == few).all()
    many = np.arange(20.0)[:, None]
    assert (shrunk(many, np.zeros_like(many)) == many).all()


def test_knee_without_noise_is_the_knee() -> None:
    front = np.array([[0.0, 1.0], [0.1, 0.3], [0.4, 0.1], [1.0, 0.0]])
    found = knee_chances(front, np.zeros_like(front))
    assert list(found) == [float(i == knee(front)) for i in range(4)]


def test_knee_agrees_with_drawing_the_front_and_asking_for_its_knee() -> None:
    random = np.random.default_rng(2)
    ends = np.sort(random.uniform(size=(2, 12)), axis=1)
    front = np.column_stack([ends[0], ends[1][::-1], random.uniform(size=12)])
    deviations = np.full(front.shape, [0.1, 0.0, 0.05])
    drawn = front + deviations * random.normal(size=(3000, 12, 3))
    expected = np.bincount([knee(points) for points in drawn], minlength=12) / 3000
    assert knee_chances(front, deviations) == pytest.approx(expected, abs=1.5 * ERROR)


def test_two_alike_are_the_knee_by_halves() -> None:
    front = np.array([[0.0, 1.0], [0.2, 0.2], [0.2, 0.2], [1.0, 0.0]])
    found = knee_chances(front, np.array([[0.0, 0.0], [0.01, 0.0], [0.01, 0.0], [0.0, 0.0]]))
    assert found == pytest.approx([0.0, 0.5, 0.5, 0.0], abs=ERROR)
