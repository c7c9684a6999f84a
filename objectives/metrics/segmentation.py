"""Scores of masks: mean IoU, mean Dice coefficient and pixel accuracy.

Each image is reduced to three counts for each class, so that a bootstrap over images is cheap.
Pixels of the class `ignore` do not count, and that class is in no mean. Means are over the classes
that occur in a target or in a prediction, as in torchmetrics and scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.task import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

RIGHT, TRUE, PREDICTED = 0, 1, 2
"""Rows of the counts of an image: correct pixels, pixels of the class, predicted pixels."""


def pixel_counts(
    predicted: np.ndarray, targets: np.ndarray, classes: int, ignore: int | None = None
) -> np.ndarray:
    """Returns the counts of each image, float64 [B, 3, classes], for `segmentation_scores`.

    Args:
        predicted: Predicted class of each pixel, integers [B, ...] in [0, classes).
        targets: True class of each pixel, of the same shape.
        classes: Number of classes.
        ignore: Class whose pixels do not count; it may be outside [0, classes), such as 255.

    Raises:
        Unmeasurable: The shapes differ, or a target is no class.
    """
    import numpy as np

    if predicted.shape != targets.shape:
        raise Unmeasurable(
            f"the masks have shape {list(targets.shape)}, the predictions {list(predicted.shape)}; "
            "both must have one class for each pixel"
        )
    counts = np.zeros((len(targets), 3, classes))
    for image, (guess, true) in enumerate(zip(predicted, targets, strict=True)):
        counted = np.ones(true.shape, dtype=bool) if ignore is None else true != ignore
        guess, true = guess[counted].astype(np.int64), true[counted].astype(np.int64)
        if len(true) and not 0 <= int(true.min()) <= int(true.max()) < classes:
            wrong = int(true.min()) if true.min() < 0 else int(true.max())
            raise Unmeasurable(
                f"a mask has the class {wrong}, but classes are 0 to {classes - 1}; give "
                f"ignore: {wrong} if these pixels do not count"
            )
        counts[image, RIGHT] = np.bincount(true[guess == true], minlength=classes)
        counts[image, TRUE] = np.bincount(true, minlength=classes)
        counts[image, PREDICTED] = np.bincount(guess, minlength=classes)[:classes]
    if ignore is not None and 0 <= ignore < classes:
        counts[:, PREDICTED, ignore] = 0
    return counts


def segmentation_scores(counts: np.ndarray | Sequence[np.ndarray]) -> dict[str, Scored]:
    """Returns miou, dice and pixel_accuracy; NaN if no pixel counts.

    Args:
        counts: Counts of N images, [N, 3, classes], or of several batches of them.
    """
    import numpy as np

    all_counts = counts if isinstance(counts, np.ndarray) else np.concatenate(list(counts))
    count, _, classes = all_counts.shape
    flat = all_counts.reshape(count, 3 * classes)

    def scored(score: str) -> Scored:
        def weighted(weights: np.ndarray) -> float:
            return _score(score, (weights @ flat).reshape(3, classes))

        return Scored(weighted(np.ones(count)), count, weighted=weighted)

    return {name: scored(name) for name in ("miou", "dice", "pixel_accuracy")}


def _score(name: str, sums: np.ndarray) -> float:
    """Returns a score from the counts of all images, [3, classes]."""
    right, total = sums[RIGHT], sums[TRUE] + sums[PREDICTED]
    pixels = sums[TRUE].sum()
    if not pixels:
        return float("nan")
    if name == "pixel_accuracy":
        return float(right.sum() / pixels)
    occurs = total > 0
    right, total = right[occurs], total[occurs]
    return float((right / (total - right) if name == "miou" else 2 * right / total).mean())
