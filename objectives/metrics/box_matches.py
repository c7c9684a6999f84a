"""Matches detected boxes with true ones, image by image, by COCO's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np

    from paretune.objectives.metrics.boxes import Boxes

IOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Thresholds of the intersection over union."""

MOST = 100
"""Most detections of one class in an image, by score."""


@dataclass(frozen=True)
class Matches:
    """The detections of all images, sorted by class and then by falling score.

    Attributes:
        images: Image of each detection, int [D].
        classes: Index of its class, int [D].
        starts: First detection of each class, int [C].
        hit: Whether it takes a true box, bool [thresholds, D].
        skipped: Whether it lies in a crowd, and so counts neither way, bool [thresholds, D].
        truths: True boxes that are no crowd, of each image and class, float [N, C].
    """

    images: np.ndarray
    classes: np.ndarray
    starts: np.ndarray
    hit: np.ndarray
    skipped: np.ndarray
    truths: np.ndarray

    def true_counts(self, weights: np.ndarray) -> np.ndarray:
        """Returns the true boxes of each class in weighted images, [C]."""
        counts: np.ndarray = weights @ self.truths
        return counts


_Part = tuple[int, int, "np.ndarray", "np.ndarray", "np.ndarray"]
"""Image, class, scores [D], hits and skips [thresholds, D] of one class in one image."""


def matches_of(detected: Sequence[Boxes], true: Sequence[Boxes]) -> Matches:
    """Matches the boxes of N images.

    Classes without a true box are left out: they are in no mean.

    Raises:
        Unmeasurable: A box or a score is not finite.
    """
    import numpy as np

    classes = np.unique(np.concatenate([np.zeros(0, int), *(_ints(t.classes) for t in true)]))
    parts: list[_Part] = []
    truths = np.zeros((len(true), len(classes)))
    for image, (guess, truth) in enumerate(zip(detected, true, strict=True)):
        _refuse_infinite(guess, image)
        for index, class_ in enumerate(classes):
            guesses, boxes, crowd = _of_class(guess, truth, class_)
            truths[image, index] = (~crowd).sum()
            if len(guesses[0]):
                hit, skipped = _matched(guesses[0], boxes, crowd)
                parts.append((image, index, guesses[1], hit, skipped))
    return _sorted_matches(parts, truths)


def _sorted_matches(parts: Sequence[_Part], truths: np.ndarray) -> Matches:
    """Returns the detections of all images and classes as one."""
    import numpy as np

    empty = np.zeros((len(IOUS), 0), dtype=bool)
    sizes = [len(scores) for _, _, scores, _, _ in parts]
    images = np.repeat(np.array([part[0] for part in parts], dtype=np.int64), sizes)
    classes = np.repeat(np.array([part[1] for part in parts], dtype=np.int64), sizes)
    scores = np.concatenate([np.zeros(0), *(part[2] for part in parts)])
    hit = np.concatenate([empty, *(part[3] for part in parts)], axis=1)
    skipped = np.concatenate([empty, *(part[4] for part in parts)], axis=1)
    order = np.lexsort((-scores, classes))  # stable: equal scores stay in the order of images
    classes = classes[order]
    starts = np.searchsorted(classes, np.arange(truths.shape[1]))
    return Matches(images[order], classes, starts, hit[:, order], skipped[:, order], truths)


def _ints(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray(values).reshape(-1).astype(np.int64)


def _refuse_infinite(guess: Boxes, image: int) -> None:
    import numpy as np

    assert guess.scores is not None, "detected boxes have scores"
    if not (np.isfinite(guess.boxes).all() and np.isfinite(guess.scores).all()):
        raise Unmeasurable(f"a detected box or its score is not finite in example {image}")


def _of_class(
    guess: Boxes, truth: Boxes, class_: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Returns ((boxes, scores) by falling score, at most `MOST`), the true boxes, and crowds."""
    import numpy as np

    chosen = np.flatnonzero(_ints(guess.classes) == class_)
    scores = np.asarray(guess.scores, dtype=np.float64).reshape(-1)[chosen]
    order = np.argsort(-scores, kind="stable")[:MOST]
    boxes = np.asarray(guess.boxes, dtype=np.float64).reshape(-1, 4)[chosen][order]
    of_class = _ints(truth.classes) == class_
    true = np.asarray(truth.boxes, dtype=np.float64).reshape(-1, 4)[of_class]
    crowd = np.zeros(len(of_class), bool) if truth.crowd is None else np.asarray(truth.crowd, bool)
    return (boxes, scores[order]), true, crowd[of_class]


def _matched(
    guess: np.ndarray, true: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which detections take a box, and which lie in a crowd: bool [thresholds, D] each.

    Args:
        guess: Detections by falling score, [D, 4].
        true: True boxes, [G, 4].
        crowd: Which of them are crowds, bool [G]; they can be taken again and again.
    """
    import numpy as np

    hit = np.zeros((len(IOUS), len(guess)), dtype=bool)
    skipped = np.zeros_like(hit)
    if not len(true):
        return hit, skipped
    overlaps = _overlaps(guess, true, crowd)
    free = np.ones((len(IOUS), len(true)), dtype=bool)
    limits = np.minimum(np.array(IOUS), 1 - 1e-10)[:, None]
    rows = np.arange(len(IOUS))
    for index in np.flatnonzero(overlaps.max(axis=1) >= IOUS[0]):
        fits = free & (overlaps[index] >= limits)
        value = np.where(fits, overlaps[index] - 2.0 * crowd, -3.0)  # crowds come last
        last_best = len(true) - 1 - value[:, ::-1].argmax(axis=1)  # of equal ones, COCO's last
        taken = fits[rows, last_best]
        in_crowd = taken & crowd[last_best]
        hit[:, index], skipped[:, index] = taken & ~in_crowd, in_crowd
        free[rows[taken & ~in_crowd], last_best[taken & ~in_crowd]] = False
    return hit, skipped


def _overlaps(guess: np.ndarray, true: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Returns the IoU of each pair [D, G]; of a crowd, the share of the detection inside it."""
    import numpy as np

    corner = np.minimum(guess[:, None, 2:], true[None, :, 2:])
    sides = np.clip(corner - np.maximum(guess[:, None, :2], true[None, :, :2]), 0, None)
    inside = sides.prod(axis=2)
    area, true_area = ((b[:, 2:] - b[:, :2]).prod(axis=1) for b in (guess, true))
    union = np.where(crowd, area[:, None], area[:, None] + true_area - inside)
    overlaps: np.ndarray = np.divide(inside, union, out=np.zeros_like(inside), where=union > 0)
    return overlaps
