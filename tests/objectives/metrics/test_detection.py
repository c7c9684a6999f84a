"""Detection scores: equal to faster-coco-eval's on random boxes, also in every bootstrap sample."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence

import numpy as np
import pytest

from paretune.objectives.bootstrap import resample_weights
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics.detection import Boxes, detection_scores


def library_scores(detected: Sequence[Boxes], true: Sequence[Boxes]) -> dict[str, float]:
    """Returns map50 and map50_95 as faster-coco-eval computes them."""
    from faster_coco_eval import COCO, COCOeval_faster

    truths, guesses = [], []
    for image, (guess, truth) in enumerate(zip(detected, true, strict=True), start=1):
        crowd = np.zeros(len(truth.classes), int) if truth.crowd is None else truth.crowd
        for box, class_, many in zip(truth.boxes, truth.classes, crowd, strict=True):
            size = box[2:] - box[:2]
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": image,
                    "category_id": int(class_) + 1,
                    "bbox": [*map(float, box[:2]), *map(float, size)],
                    "area": float(size.prod()),
                    "iscrowd": int(many),
                }
            )
        assert guess.scores is not None
        for box, class_, score in zip(guess.boxes, guess.classes, guess.scores, strict=True):
            size = box[2:] - box[:2]
            guesses.append(
                {
                    "image_id": image,
                    "category_id": int(class_) + 1,
                    "bbox": [*map(float, box[:2]), *map(float, size)],
                    "score": float(score),
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        data = COCO(
            {
                "images": [{"id": i + 1, "width": 1000, "height": 1000} for i in range(len(true))],
                "categories": [{"id": c + 1, "name": str(c)} for c in range(5)],
                "annotations": truths,
            }
        )
        evaluation = COCOeval_faster(data, data.loadRes(guesses), iouType="bbox")
        evaluation.run()
    return {"map50_95": float(evaluation.stats[0]), "map50": float(evaluation.stats[1])}


def random_boxes(
    seed: int, images: int = 8, classes: int = 3, crowds: bool = False, digits: int = 6
) -> tuple[list[Boxes], list[Boxes]]:
    """Returns detected and true boxes: shifted true boxes, false ones, and some that are missed."""
    random = np.random.default_rng(seed)
    detected, true = [], []
    for _ in range(images):
        count = int(random.integers(0, 6))
        corners = random.integers(0, 200, (count, 2)).astype(float)
        boxes = np.hstack([corners, corners + random.integers(8, 60, (count, 2))])
        labels = random.integers(0, classes, count)
        crowd = random.random(count) < 0.2 if crowds else None
        true.append(Boxes(boxes, labels, crowd=crowd))
        copies = np.repeat(np.arange(count), 2)
        near = boxes[copies] + random.integers(-9, 10, (len(copies), 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        far = random.integers(0, 200, (4, 2)).astype(float)
        guesses = np.vstack([near, np.hstack([far, far + 30])])
        kinds = np.concatenate([labels[copies], random.integers(0, classes, 4)])
        wrong = random.random(len(kinds)) < 0.2
        kinds[wrong] = random.integers(0, classes, int(wrong.sum()))
        scores = np.round(random.random(len(kinds)), digits)
        keep = random.random(len(kinds)) < 0.8
        detected.append(Boxes(guesses[keep], kinds[keep], scores[keep]))
    return detected, true


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("digits", [6, 1])
@pytest.mark.parametrize("seed", range(6))
def test_values_equal_the_librarys(seed: int, digits: int, crowds: bool) -> None:
    detected, true = random_boxes(seed, crowds=crowds, digits=digits)
    scores, expected = detection_scores(detected, true), library_scores(detected, true)
    assert {name: s.value for name, s in scores.items()} == pytest.approx(expected, abs=1e-9)
    assert 0.01 < expected["map50_95"] < expected["map50"] < 1


@pytest.mark.parametrize("crowds", [False, True])
def test_weighted_value_equals_the_librarys_of_the_drawn_images(crowds: bool) -> None:
    detected, true = random_boxes(11, crowds=crowds)
    scores = detection_scores(detected, true)
    for weights, _ in zip(resample_weights(len(true)), range(12), strict=False):
        drawn = np.repeat(np.arange(len(true)), weights.astype(int))
        expected = library_scores([detected[i] for i in drawn], [true[i] for i in drawn])
        for name, scored in scores.items():
            assert scored.weighted is not None
            assert scored.weighted(weights) == pytest.approx(expected[name], abs=1e-9)


def test_only_a_hundred_detections_of_a_class_count() -> None:
    box = np.array([[10.0, 10, 50, 50]])
    false = np.tile([[200.0, 200, 220, 220]], (100, 1))
    scores = np.append(np.linspace(0.9, 0.5, 100), 0.4)
    detected = [Boxes(np.vstack([false, box]), np.zeros(101, int), scores)]
    true = [Boxes(box, np.zeros(1, int))]
    assert library_scores(detected, true)["map50"] == 0.0
    assert detection_scores(detected, true)["map50"].value == 0.0


NONE = Boxes(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))
ONE = Boxes(np.array([[0.0, 0, 10, 10]]), np.array([1]))
FOUND = Boxes(ONE.boxes, ONE.classes, np.array([0.5]))


def test_no_detections_score_0() -> None:
    scores = detection_scores([NONE, NONE], [ONE, NONE])
    assert [s.value for s in scores.values()] == [0.0, 0.0]


def test_no_true_boxes_give_no_score() -> None:
    assert all(math.isnan(s.value) for s in detection_scores([FOUND], [NONE]).values())


def test_one_perfect_image_scores_1() -> None:
    assert [s.value for s in detection_scores([FOUND], [ONE]).values()] == pytest.approx([1.0, 1.0])


def test_class_without_true_boxes_is_in_no_mean() -> None:
    other = Boxes(FOUND.boxes, np.array([0]), np.array([0.9]))
    scores = detection_scores([FOUND, other], [ONE, NONE])
    assert scores["map50"].value == pytest.approx(1.0)


def test_score_that_is_not_finite_is_refused() -> None:
    broken = Boxes(ONE.boxes, ONE.classes, np.array([np.nan]))
    with pytest.raises(Unmeasurable, match="not finite in example 0"):
        detection_scores([broken], [ONE])
