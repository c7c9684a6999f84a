"""Scores of several labels: equal to scikit-learn's, also with weights and equal scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, hamming_loss, roc_auc_score

from paretune.objectives.metrics.multilabel import multilabel_scores


def random_labels(seed: int, digits: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.random((60, 4)) < [0.5, 0.3, 0.15, 0.6]
    logits = np.round(random.normal(0, 1.5, (60, 4)) + 1.5 * labels - 0.8, digits)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("digits", [6, 0])
@pytest.mark.parametrize("seed", range(4))
def test_values_equal_scikit_learns(seed: int, digits: int) -> None:
    logits, labels = random_labels(seed, digits)
    scores = multilabel_scores(logits, labels)
    assert {name: s.value for name, s in scores.items()} == pytest.approx(
        {
            "macro_f1": f1_score(labels, logits > 0, average="macro"),
            "map": average_precision_score(labels, logits, average="macro"),
            "auroc": roc_auc_score(labels, logits, average="macro"),
            "exact": ((logits > 0) == labels).all(axis=1).mean(),
            "hamming": hamming_loss(labels, logits > 0),
        }
    )


@pytest.mark.parametrize("digits", [6, 0])
def test_weighted_values_equal_scikit_learns(digits: int) -> None:
    logits, labels = random_labels(7, digits)
    weights = np.random.default_rng(0).integers(0, 3, 60).astype(float)
    drawn = weights > 0  # scikit-learn takes examples of weight 0 as thresholds of their own
    library = {
        "macro_f1": f1_score(labels, logits > 0, average="macro", sample_weight=weights),
        "map": average_precision_score(
            labels[drawn], logits[drawn], average="macro", sample_weight=weights[drawn]
        ),
        "auroc": roc_auc_score(labels, logits, average="macro", sample_weight=weights),
    }
    scores = multilabel_scores(logits, labels)
    for name, expected in library.items():
        weighted = scores[name].weighted
        assert weighted is not None
        assert weighted(weights) == pytest.approx(expected)
        assert weighted(np.ones(60)) == pytest.approx(scores[name].value)


def test_label_that_never_occurs_is_in_no_mean() -> None:
    logits, labels = random_labels(1, 6)
    absent = np.zeros((60, 1))
    with_absent = multilabel_scores(np.hstack([logits, absent - 5]), np.hstack([labels, absent]))
    scores = multilabel_scores(logits, labels)
    for name in ("macro_f1", "map", "auroc"):
        assert with_absent[name].value == pytest.approx(scores[name].value)
        assert with_absent[name].weighted is not None
        assert with_absent[name].weighted(np.ones(60)) == pytest.approx(scores[name].value)


def test_scores_without_any_positive_label_are_undefined() -> None:
    scores = multilabel_scores(np.full((5, 2), -1.0), np.zeros((5, 2)))
    undefined = {name for name, scored in scores.items() if math.isnan(scored.value)}
    assert undefined == {"macro_f1", "map", "auroc"}
    assert scores["exact"].value == 1.0


def test_one_example_has_exact_and_hamming() -> None:
    scores = multilabel_scores(np.array([[2.0, -1.0]]), np.array([[1, 1]]))
    assert (scores["exact"].value, scores["hamming"].value) == (0.0, 0.5)
    assert math.isnan(scores["auroc"].value)
