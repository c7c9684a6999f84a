"""Differences of measurements on the same examples: shares by bits, other scores by resamples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.classification_scores import (
    NAMES,
    Predictions,
    example_results,
    scores_of,
)
from paretune.objectives.pairing.differences import paired_difference, paired_log_ratio
from paretune.objectives.pairing.proportions import difference_interval, mcnemar_p
from support.measurements import paired_accuracy


def two_networks(count: int, seed: int, apart: float) -> tuple[Predictions, Predictions]:
    """Predictions of two networks for the same images; their logits are `apart` and correlated."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, count)
    logits = random.normal(size=(count, 4))
    logits[np.arange(count), labels] += 2.0
    other = logits + random.normal(0.0, 0.3, logits.shape)
    other[np.arange(count), labels] -= apart
    return Predictions.of(logits, labels), Predictions.of(other, labels)


def all_measured(predictions: Predictions) -> dict[str, Measurement]:
    """Every score of a network, with its results."""
    return {
        name: Measurement(
            name,
            score.value,
            "nats" if name == "loss" else "fraction",
            "higher",
            score.low,
            score.high,
            per_example=example_results(name, score, predictions, "x"),
        )
        for name, score in scores_of(predictions).items()
    }


def measured(name: str, predictions: Predictions) -> Measurement:
    return all_measured(predictions)[name]


def test_difference_of_accuracies_is_that_of_their_discordant_examples() -> None:
    first = np.arange(397) >= 10
    second = np.roll(first, 3) & (np.arange(397) != 200)
    found = paired_difference(paired_accuracy(first), paired_accuracy(second))
    assert found is not None
    counts = int((first & ~second).sum()), int((second & ~first).sum())
    assert counts == (4, 3)
    assert found.value == pytest.approx(1 / 397)
    assert (found.low, found.high) == difference_interval(*counts, 397)
    assert found.p == mcnemar_p(*counts)


def test_equal_networks_differ_by_exactly_zero() -> None:
    predictions, _ = two_networks(300, 0, 0.0)
    first, second = all_measured(predictions), all_measured(predictions)
    for name in NAMES:
        found = paired_difference(first[name], second[name])
        assert found is not None
        assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
        assert not found.beyond_chance


def test_intervals_cover_the_true_differences_of_resampled_scores() -> None:
    names, runs = ("balanced", "f1", "loss"), 40
    # many small samples have the same expected difference as one large sample
    truth = dict.fromkeys(names, 0.0)
    intervals = []
    for seed in range(runs):
        first, second = map(all_measured, two_networks(300, seed, 0.2))
        for name in names:
            found = paired_difference(first[name], second[name])
            assert found is not None
            truth[name] += found.value / runs
            intervals.append((name, found))
    covered = sum(found.low <= truth[name] <= found.high for name, found in intervals)
    assert covered >= 0.88 * len(intervals)


@pytest.mark.parametrize("name", ["balanced", "f1", "loss"])
def test_paired_interval_is_narrower_than_the_two_intervals_together(name: str) -> None:
    a, b = (measured(name, p) for p in two_networks(1000, 1, 0.1))
    found = paired_difference(a, b)
    assert found is not None
    together = math.hypot(a.high - a.low, b.high - b.low)
    assert found.high - found.low < 0.6 * together


def test_log_ratio_of_losses_is_paired() -> None:
    a, b = (measured("loss", p) for p in two_networks(1000, 1, 0.1))
    found = paired_log_ratio(a, b)
    assert found is not None
    assert found.value == pytest.approx(math.log(a.value / b.value))
    plain = paired_difference(a, b)
    assert plain is not None
    expected = (plain.high - plain.low) / b.value  # both losses are nearly equal
    assert found.high - found.low == pytest.approx(expected, rel=0.2)


def test_measurements_without_results_have_no_paired_difference() -> None:
    one = paired_accuracy([True] * 9 + [False])
    assert paired_difference(one, replace(one, per_example=None)) is None
    assert paired_log_ratio(replace(one, per_example=None), one) is None
