"""Measurements become points with errors; what all trials share is left out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paretune.objectives.classification_scores import wilson
from paretune.search.front.noisy_points import Z95, noisy_points, session_deviations
from paretune.search.study.records import Axis
from support.measurements import accuracy, latency


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
