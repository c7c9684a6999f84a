"""Figures of a classifier: against scikit-learn, against their formulas, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    top_k_accuracy_score,
)

from paretune.objectives.classification_scores import BINS, Predictions, Score, scores_of


def made(count: int, classes: int, seed: int, signal: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits [count, classes] that know something of the labels, which are of unequal frequency."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(classes, 2.0))
    labels = random.choice(classes, count, p=shares)
    logits = random.normal(size=(count, classes)).astype(np.float32)
    logits[np.arange(count), labels] += signal
    return logits, labels


def scores(logits: np.ndarray, labels: np.ndarray, batch: int = 64) -> dict[str, Score]:
    parts = [
        Predictions.of(logits[start : start + batch], labels[start : start + batch])
        for start in range(0, len(labels), batch)
    ]
    return scores_of(Predictions.joined(parts))


def softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "classes"), [(500, 10), (300, 2), (1000, 100), (40, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(count: int, classes: int, seed: int) -> None:
    logits, labels = made(count, classes, seed)
    found = scores(logits, labels)
    predicted = logits.argmax(1)
    every = np.arange(classes)
    assert found["top1"].value == accuracy_score(labels, predicted)
    assert found["f1"].value == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["loss"].value == pytest.approx(
        log_loss(labels, softmax(logits), labels=every), rel=1e-9
    )
    there = np.isin(predicted, labels)
    kept = labels[there]
    expected = [
        accuracy_score(labels[labels == c], predicted[labels == c]) for c in np.unique(labels)
    ]
    assert found["balanced"].value == pytest.approx(np.mean(expected))
    if there.all() and len(kept):
        assert found["balanced"].value == pytest.approx(balanced_accuracy_score(labels, predicted))
    if classes > 5:
        five = top_k_accuracy_score(labels, logits, k=5, labels=every)
        assert found["top5"].value == pytest.approx(five)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_is_its_formula(seed: int) -> None:
    logits, labels = made(700, 5, seed, signal=2.0)
    shares = softmax(logits)
    confidence, right = shares.max(1), logits.argmax(1) == labels
    expected = 0.0
    for place in range(BINS):
        inside = (confidence > place / BINS) & (confidence <= (place + 1) / BINS)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.sum() / len(labels) * gap
    assert scores(logits, labels)["calibration"].value == pytest.approx(expected)


def test_calibration_error_of_a_network_that_is_sure_and_wrong_is_one() -> None:
    logits = np.tile(np.array([100.0, 0.0], dtype=np.float32), (50, 1))
    found = scores(logits, np.ones(50, dtype=np.int64))["calibration"]
    assert found.value == pytest.approx(1.0)
    assert scores(logits, np.zeros(50, dtype=np.int64))["calibration"].value == pytest.approx(0.0)


def test_network_that_says_the_same_of_all_classes_is_right_about_the_first_five_only() -> None:
    labels = np.arange(10).repeat(4)
    found = scores(np.zeros((40, 10), dtype=np.float32), labels)
    assert found["top1"].value == pytest.approx(0.1)
    assert found["top5"].value == pytest.approx(0.5)
    assert found["loss"].value == pytest.approx(np.log(10))


def test_scores_do_not_depend_on_the_batches() -> None:
    logits, labels = made(500, 10, 4)
    assert scores(logits, labels, 7) == scores(logits, labels, 500)


@pytest.mark.parametrize("right", [True, False])
def test_intervals_are_not_empty_where_every_answer_is_right_or_every_one_wrong(
    right: bool,
) -> None:
    labels = np.arange(10).repeat(20)
    logits = np.eye(10, dtype=np.float32)[labels if right else (labels + 1) % 10]
    found = scores(logits, labels)
    for name in ("top1", "balanced", "f1"):
        one = found[name]
        assert one.value == float(right)
        assert one.high - one.low > 0.01


def test_intervals_hold_the_truth_about_95_times_of_100() -> None:
    """Of 120 samples of 300 examples from a known population; binomial, 95 % of 120 is 114."""
    logits, labels = made(60_000, 6, 11)
    truth = {name: score.value for name, score in scores(logits, labels, 60_000).items()}
    held = dict.fromkeys(truth, 0)
    random = np.random.default_rng(5)
    for _ in range(120):
        rows = random.integers(0, len(labels), 300)
        for name, one in scores(logits[rows], labels[rows], 300).items():
            held[name] += one.low <= truth[name] <= one.high
    # An error of calibration is biased upwards in a small sample: its interval is of the spread.
    for name in ("top1", "top5", "balanced", "f1", "loss"):
        assert 105 <= held[name] <= 120, held


def test_not_finite_logits_give_no_number_for_loss_and_calibration_only() -> None:
    logits, labels = made(50, 6, 0)
    logits[3, 2] = np.inf
    found = scores(logits, labels)
    assert not np.isfinite(found["loss"].value)
    assert not np.isfinite(found["calibration"].value)
    for name in ("top1", "top5", "balanced", "f1"):
        assert 0 <= found[name].low <= found[name].value <= found[name].high <= 1
