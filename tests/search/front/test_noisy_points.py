"""Measurements become points with errors; what all trials share is left out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.classification_scores import wilson
from paretune.search.front.noisy_points import Z95, noisy_points, session_deviations
from paretune.search.study.records import Axis, TrialIntervals
from support.measurements import accuracy, latency, paired_accuracy


def test_means_are_losses_in_the_middle_of_the_intervals() -> None:
    axes = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
    trials = [
        {"accuracy": accuracy(90, 100), "latency": latency(2.0, 5)},
        {"accuracy": accuracy(100, 100), "latency": latency(1.0, 3)},
    ]
    means, deviations, paired = noisy_points(trials, axes)
    assert not paired
    low, high = wilson(100, 100)
    assert means[1, 0] == pytest.approx(-(low + high) / 2)
    assert deviations[1, 0] == pytest.approx((high - low) / 2 / Z95)
    assert means[:, 1] == pytest.approx([math.log(2), 0.0])
    assert deviations[:, 1] == pytest.approx([0.05 / Z95, 0.03 / Z95])


def test_session_deviations_leave_out_the_shared_drift() -> None:
    random = np.random.default_rng(3)
    noise = np.array([0.01, 0.02, 0.04, 0.08])
    drift = random.normal(0, 1.0, 4000)
    levels = drift + noise[:, None] * random.normal(0, 1, (4, 4000))
    deviations = session_deviations([latency(1.0, 200, list(row)) for row in levels])
    assert deviations is not None
    assert deviations == pytest.approx(noise / math.sqrt(4000), rel=0.1)


def test_session_deviations_need_three_measurements_of_one_session() -> None:
    one, two = latency(1.0, 2, [0.0, 0.1, 0.0]), latency(1.0, 2, [0.0, 0.1, 0.2])
    assert session_deviations([one, two]) is None  # two give one variance for two deviations
    assert session_deviations([one, two, latency(1.0, 2)]) is None


AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))


def pairs(count: int, examples: int = 400) -> list[dict[str, Measurement]]:
    """Trials that fail on the same hard examples, and differ in a few."""
    random = np.random.default_rng(0)
    right = np.arange(examples) >= examples // 10
    return [
        {"accuracy": paired_accuracy(right ^ (random.random(examples) < 0.01)), "latency": time}
        for time in (latency(1.0 + index, 1) for index in range(count))
    ]


def test_paired_accuracies_are_their_values_with_small_deviations() -> None:
    trials = pairs(6)
    points = noisy_points(trials, AXES)
    assert set(points.paired) == {0}
    assert points.means[:, 0] == pytest.approx([-t["accuracy"].value for t in trials])
    alone = noisy_points([unpaired(trial) for trial in trials], AXES)
    assert (points.deviations[:, 0] < 0.6 * alone.deviations[:, 0]).all()
    assert (points.deviations[:, 1] == alone.deviations[:, 1]).all()


def unpaired(trial: dict[str, Measurement]) -> dict[str, Measurement]:
    return {name: replace(m, per_example=None) for name, m in trial.items()}


def test_trials_without_results_share_as_much_noise_as_the_others() -> None:
    trials = pairs(6)
    mixed = noisy_points([*trials, unpaired(trials[0])], AXES)
    alone = noisy_points([unpaired(trials[0])], AXES)
    assert mixed.means[0, 0] == mixed.means[6, 0] == alone.means[0, 0]
    share = mixed.deviations[6, 0] / alone.deviations[0, 0]
    paired_shares = mixed.deviations[:6, 0] / alone.deviations[0, 0]
    assert paired_shares.min() <= share <= paired_shares.max()
    assert list(mixed.paired[0].paired) == [True] * 6 + [False]


def test_intervals_of_further_trials_come_after_the_paired_ones() -> None:
    trials = pairs(3)
    low, high = np.array([[0.85, 1.9]]), np.array([[0.95, 2.1]])
    points = noisy_points(trials, AXES, TrialIntervals(np.array([7]), low, high))
    assert list(points.paired[0].rows[3:]) == [-1]
    assert points.means[3] == pytest.approx([-0.9, np.log([1.9, 2.1]).mean()])
    assert points.select(np.array([3, 0])).paired[0].rows[0] == -1
