"""Scores of detected boxes: mean average precision by COCO's rules.

- Detections of one image and class take part in the order of their scores, at most 100 of them.
  Each takes the free true box that it overlaps most, if their IoU reaches the threshold.
- Average precision is the mean of the highest precision at 101 recalls from 0 to 1.
- The score is the mean over the classes that have true boxes, and over the thresholds.
- A detection that lies in a crowd, and in no other true box, counts neither way.

Values equal those of pycocotools and faster-coco-eval; the tests compare them. The code is
Paretune's, because an interval needs the score of 400 samples of the images. Boxes are matched once
(`matches_of`), as the match in one image does not depend on other images. Then a sample costs a few
array operations. Source of the rules: https://cocodataset.org/#detection-eval, `cocoeval.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.objectives.metrics.box_matches import IOUS, Matches, matches_of
from paretune.objectives.metrics.boxes import Boxes
from paretune.task import Scored

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Boxes", "detection_scores"]

RECALLS = 101
"""Recalls at which the precision is averaged."""


def detection_scores(detected: Sequence[Boxes], true: Sequence[Boxes]) -> dict[str, Scored]:
    """Returns map50 and map50_95 of N images; NaN if no image has a true box.

    Args:
        detected: Detected boxes of each image.
        true: True boxes of each image, in the same order.

    Raises:
        Unmeasurable: A box or a score is not finite.
    """
    import numpy as np

    matches, count = matches_of(detected, true), len(true)

    def scored(thresholds: int) -> Scored:
        curves = _Curves(matches, thresholds)
        return Scored(curves.score(np.ones(count)), count, weighted=curves.score)

    return {"map50": scored(1), "map50_95": scored(len(IOUS))}


class _Curves:
    """The precision-recall curves of each class at the first thresholds, for weighted images.

    A curve is a segment of one long array that holds the correct detections only: precision is
    highest at a correct detection.

    Args:
        matches: Detections of all images, by class and score.
        thresholds: Number of IoU thresholds, from 0.5 on.
    """

    def __init__(self, matches: Matches, thresholds: int) -> None:
        import numpy as np

        self._matches = matches
        self._classes = len(matches.starts)
        self._segments = thresholds * self._classes
        hits: list[tuple[np.ndarray, np.ndarray]] = []
        skips: list[tuple[np.ndarray, np.ndarray]] = []
        for threshold in range(thresholds):
            for kind, positions in ((hits, matches.hit), (skips, matches.skipped)):
                at = np.flatnonzero(positions[threshold])
                kind.append((threshold * self._classes + matches.classes[at], at))
        self._segment, self._position = (np.concatenate(part) for part in zip(*hits, strict=True))
        skipped, at = (np.concatenate(part) for part in zip(*skips, strict=True))
        self._skipped = matches.images[at]
        size = len(matches.images) + 1
        keys = skipped * size + at
        self._skips_before = np.searchsorted(keys, self._segment * size + self._position)
        self._skips_start = np.searchsorted(keys, self._segment * size)
        self._start = np.searchsorted(self._segment, self._segment)
        self._images = matches.images[self._position]

    def score(self, weights: np.ndarray) -> float:
        """Returns the mean average precision; NaN if no class has a true box."""
        import numpy as np

        truths = self._matches.true_counts(weights)
        if not truths.any():
            return float("nan")
        right, precision = self._right_and_precision(weights)
        average = self._averages(right, precision, truths).reshape(-1, self._classes)
        return float(np.mean(average[:, truths > 0]))

    def _right_and_precision(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the correct detections so far, and the highest precision from here on."""
        import numpy as np

        right = _sums_before(weights[self._images])
        right = right[1:] - right[self._start]
        seen = _sums_before(weights[self._matches.images])
        first = self._matches.starts[self._segment % self._classes]
        total = seen[self._position + 1] - seen[first]
        skips = _sums_before(weights[self._skipped])
        total = total - (skips[self._skips_before] - skips[self._skips_start])
        precision = np.divide(right, total, out=np.zeros_like(right), where=total > 0)
        lift = 2.0 * (self._segments - self._segment)  # keeps the segments apart
        highest = np.maximum.accumulate((precision + lift)[::-1])[::-1] - lift
        return right, highest

    def _averages(self, right: np.ndarray, precision: np.ndarray, truths: np.ndarray) -> np.ndarray:
        """Returns the average precision of each segment."""
        import numpy as np

        if not len(right):
            return np.zeros(self._segments)
        apart = truths.max() + 2
        segments = np.arange(self._segments)
        wanted = _counts_at_recalls(truths)[segments % self._classes] + apart * segments[:, None]
        index = np.searchsorted(right + apart * self._segment, wanted.ravel())
        inside = index < len(right)
        index[~inside] = 0
        inside &= self._segment[index] == np.repeat(segments, RECALLS)
        reached = np.where(inside, precision[index], 0.0)
        averages: np.ndarray = reached.reshape(self._segments, RECALLS).mean(axis=1)
        return averages


def _sums_before(values: np.ndarray) -> np.ndarray:
    """Returns the sum of the values before each position, and of all: [K + 1]."""
    import numpy as np

    sums = np.zeros(len(values) + 1)
    np.cumsum(values, out=sums[1:])
    return sums


def _counts_at_recalls(truths: np.ndarray) -> np.ndarray:
    """Returns how many boxes must be found for each recall, [classes, 101].

    It is the smallest whole number c with c / truths >= recall, compared as COCO's code does it.
    """
    import numpy as np

    recalls = np.linspace(0.0, 1.0, RECALLS)
    total = np.maximum(truths, 1.0)[:, None]
    counts = np.maximum(np.ceil(recalls * total) - 1, 0.0)
    for _ in range(2):  # rounding moves the bound by one at most
        counts += counts / total < recalls
    wanted: np.ndarray = counts
    return wanted
