"""Scores of masks: equal to scikit-learn's on all pixels that count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics.segmentation import pixel_counts, segmentation_scores


def random_masks(seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, (6, 9, 7))
    wrong = random.random(true.shape) < 0.3
    return np.where(wrong, random.integers(0, classes, true.shape), true), true


def library_scores(guess: np.ndarray, true: np.ndarray, labels: list[int]) -> dict[str, float]:
    options = {"labels": labels, "average": "macro", "zero_division": 0}
    return {
        "miou": jaccard_score(true, guess, **options),
        "dice": f1_score(true, guess, **options),
        "pixel_accuracy": accuracy_score(true, guess),
    }


@pytest.mark.parametrize("ignore", [None, 2, 255])
@pytest.mark.parametrize("seed", range(3))
def test_values_equal_scikit_learns(seed: int, ignore: int | None) -> None:
    guess, true = random_masks(seed)
    if ignore == 255:
        true[true == 3] = 255
    counted = np.ones(true.shape, bool) if ignore is None else true != ignore
    labels = [c for c in range(4) if c != ignore]
    counts = pixel_counts(guess, true, 4, ignore)
    values = {name: s.value for name, s in segmentation_scores(counts).items()}
    assert values == pytest.approx(library_scores(guess[counted], true[counted], labels))


def test_batches_and_weights_count_images_as_often_as_drawn() -> None:
    guess, true = random_masks(5)
    batches = [pixel_counts(guess[:2], true[:2], 4), pixel_counts(guess[2:], true[2:], 4)]
    weights = np.array([0.0, 2, 1, 0, 2, 1])
    drawn = np.repeat(np.arange(6), weights.astype(int))
    expected = library_scores(guess[drawn].ravel(), true[drawn].ravel(), [0, 1, 2, 3])
    for name, scored in segmentation_scores(batches).items():
        assert scored.count == 6
        assert scored.weighted is not None
        assert scored.weighted(weights) == pytest.approx(expected[name])


def test_class_that_occurs_nowhere_is_in_no_mean() -> None:
    true = np.array([[[0, 0], [1, 1]]])
    scores = segmentation_scores(pixel_counts(true, true, 30))
    assert [s.value for s in scores.values()] == [1.0, 1.0, 1.0]


def test_masks_without_counted_pixels_have_no_score() -> None:
    true = np.full((2, 3, 3), 255)
    scores = segmentation_scores(pixel_counts(np.zeros((2, 3, 3), int), true, 3, 255))
    assert all(math.isnan(s.value) for s in scores.values())


def test_mask_with_an_unknown_class_is_refused_with_its_number() -> None:
    true = np.full((1, 2, 2), 255)
    with pytest.raises(Unmeasurable, match=r"the class 255.*give ignore: 255"):
        pixel_counts(np.zeros((1, 2, 2), int), true, 3)


def test_predictions_of_another_size_are_refused() -> None:
    with pytest.raises(Unmeasurable, match=r"\[1, 4, 4\], the predictions \[1, 2, 2\]"):
        pixel_counts(np.zeros((1, 2, 2), int), np.zeros((1, 4, 4), int), 3)
