"""Scores of a classifier over examples, each with its 95 % interval.

- Proportions have Wilson's interval.
- Balanced accuracy, a mean of proportions, combines their Wilson intervals, with the variances
  that these imply.
- The loss, a mean, has the normal interval.
- F1 and calibration error are bootstrapped over examples, plus and minus 1.96 standard errors.
  Quantiles of the resampled calibration errors would miss the value, because resampling makes the
  error larger on average. Their standard deviation has no such bias.

All networks have the same bootstrap samples, so that the resampled scores of two are pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from paretune.objectives.bootstrap import resample_weights
from paretune.objectives.example_results import MOST_BITS, ExampleResults
from paretune.objectives.timing.estimates import Z95

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

BINS = 15
"""Bins of confidence for the calibration error, equally wide, as in Guo et al. 2017."""

NAMES = ("top1", "top5", "balanced", "f1", "loss", "calibration")
"""The scores."""

TOP = 5
"""A class counts for top5 if its logit is among this many largest."""


@dataclass(frozen=True)
class Score:
    """A score and the ends of its 95 % interval.

    Attributes:
        value: The score.
        low: Lower end.
        high: Upper end.
        resampled: The score of each bootstrap sample; empty if they were not computed.
    """

    value: float
    low: float
    high: float
    resampled: Sequence[float] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Predictions:
    """A classifier's predictions for N examples.

    Attributes:
        labels: True classes, int64 [N].
        predicted: Classes with the largest logit, int64 [N].
        among_five: Whether the true class's logit is among the five largest, bool [N].
        losses: Cross-entropy in nats, float64 [N].
        confidence: Probability of the predicted class, float64 [N].
    """

    labels: np.ndarray
    predicted: np.ndarray
    among_five: np.ndarray
    losses: np.ndarray
    confidence: np.ndarray

    @staticmethod
    def of(logits: np.ndarray, labels: np.ndarray) -> Predictions:
        """Returns the predictions for one batch: logits [B, C] and labels [B].

        Equal logits rank in the order of their classes, as in argmax. So a network with equal
        logits for all classes has only the first five among its top 5.
        """
        import numpy as np

        values = logits.astype(np.float64)
        rows = np.arange(len(labels))
        label_logits = values[rows, labels][:, None]
        earlier = np.arange(values.shape[1]) < labels[:, None]
        rank = ((values > label_logits) | ((values == label_logits) & earlier)).sum(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):  # logits that are not finite
            shifted = values - values.max(axis=1, keepdims=True)
            norm = np.log(np.exp(shifted).sum(axis=1))
            losses = norm - shifted[rows, labels]
            confidence = np.exp(-norm)
        return Predictions(labels, values.argmax(axis=1), rank < TOP, losses, confidence)

    @staticmethod
    def joined(batches: list[Predictions]) -> Predictions:
        """Returns the predictions of several batches as one."""
        import numpy as np

        names = ("labels", "predicted", "among_five", "losses", "confidence")
        return Predictions(*(np.concatenate([getattr(b, name) for b in batches]) for name in names))

    @property
    def right(self) -> np.ndarray:
        """Whether each prediction is correct, bool [N]."""
        right: np.ndarray = self.predicted == self.labels
        return right


def scores_of(predictions: Predictions) -> dict[str, Score]:
    """Returns every score: top1, top5, balanced, f1, loss, calibration."""
    count = len(predictions.labels)
    resampled = _resampled(predictions)
    balanced = _balanced(predictions)
    value = _score_values(predictions)
    scores = {
        "top1": proportion(int(predictions.right.sum()), count),
        "top5": proportion(int(predictions.among_five.sum()), count),
        "balanced": balanced,
        "f1": _f1_score(value["f1"], resampled["f1"], balanced),
        "loss": _mean(predictions.losses),
        "calibration": _plus_minus(value["calibration"], Z95 * _spread(resampled["calibration"])),
    }
    return {name: replace(score, resampled=resampled[name]) for name, score in scores.items()}


def example_results(
    name: str, score: Score, predictions: Predictions, examples: str
) -> ExampleResults | None:
    """Returns the results on each example behind a score; None if they are not finite.

    Args:
        name: Name of the score.
        score: The score, from `scores_of`.
        predictions: The predictions that it is a score of.
        examples: Digest of the examples.
    """
    count = len(predictions.labels)
    correct = {"top1": predictions.right, "top5": predictions.among_five}.get(name)
    if correct is not None and count <= MOST_BITS:
        return ExampleResults.of_correct(correct, examples)
    return ExampleResults.of_resamples(score.resampled, score.value, count, examples)


def proportion(right: int, count: int) -> Score:
    """Returns the share right / count with its Wilson interval."""
    return Score(right / count, *wilson(right, count))


def wilson(right: float, count: int, z: float = Z95) -> tuple[float, float]:
    """Returns the Wilson score interval of right / count (Wilson 1927, JASA 22, 209-212)."""
    share = right / count
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def _balanced(predictions: Predictions) -> Score:
    """Returns the mean recall over the classes that have examples.

    The interval combines those of the classes: Zou and Donner 2008, Statistics in Medicine 27,
    1693-1702. It has a width even if every prediction is correct.
    """
    import numpy as np

    counts = np.bincount(predictions.labels)
    right = np.bincount(predictions.labels, predictions.right, minlength=len(counts))
    recalls = [proportion(int(r), int(n)) for r, n in zip(right, counts, strict=True) if n]
    value = math.fsum(s.value for s in recalls) / len(recalls)
    below = math.sqrt(math.fsum((s.value - s.low) ** 2 for s in recalls)) / len(recalls)
    above = math.sqrt(math.fsum((s.high - s.value) ** 2 for s in recalls)) / len(recalls)
    return Score(value, max(0.0, value - below), min(1.0, value + above))


def _mean(values: np.ndarray) -> Score:
    value = float(values.mean())
    if len(values) < 2 or not math.isfinite(value):
        return Score(value, value, value)
    half = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Score(value, max(0.0, value - half), value + half)


def _resampled(predictions: Predictions) -> dict[str, list[float]]:
    """Returns name -> its score of each bootstrap sample."""
    import numpy as np

    correct, among_five = predictions.right.astype(float), predictions.among_five.astype(float)
    bins = _bins(predictions.confidence)
    gaps = predictions.confidence - correct
    count = len(correct)
    resampled: dict[str, list[float]] = {name: [] for name in NAMES}
    for weights in resample_weights(count):
        resampled["top1"].append(float(weights @ correct) / count)
        resampled["top5"].append(float(weights @ among_five) / count)
        with np.errstate(invalid="ignore"):  # losses that are not finite
            resampled["loss"].append(float(weights @ predictions.losses) / count)
        sums = _class_sums(predictions, weights)
        resampled["balanced"].append(_mean_recall(*sums))
        resampled["f1"].append(_f1(*sums))
        resampled["calibration"].append(_error(bins, gaps, weights))
    return resampled


def _score_values(predictions: Predictions) -> dict[str, float]:
    """Returns F1 and calibration error."""
    import numpy as np

    equal_weights = np.ones(len(predictions.labels))
    gaps = predictions.confidence - predictions.right
    return {
        "f1": _f1(*_class_sums(predictions, equal_weights)),
        "calibration": _error(_bins(predictions.confidence), gaps, equal_weights),
    }


def _spread(scores: Sequence[float]) -> float:
    import numpy as np

    with np.errstate(invalid="ignore"):  # scores that are not finite
        return float(np.std(np.asarray(scores), ddof=1))


def _f1_score(value: float, resampled: Sequence[float], balanced: Score) -> Score:
    """Returns macro F1 plus and minus 1.96 standard errors.

    If all resamples agree (every prediction correct, or every one wrong), F1 equals the balanced
    accuracy and takes its interval.
    """
    spread = _spread(resampled)
    if spread == 0:
        return Score(value, min(value, balanced.low), max(value, balanced.high))
    return _plus_minus(value, Z95 * spread)


def _plus_minus(value: float, half: float) -> Score:
    if not math.isfinite(value):
        return Score(value, value, value)
    return Score(value, max(0.0, value - half), min(1.0, value + half))


def _class_sums(
    predictions: Predictions, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the weights by class [C]: of correct examples, of labels, of predictions.

    Args:
        predictions: For N examples.
        weights: Weight of each example, [N].
    """
    import numpy as np

    size = int(max(predictions.labels.max(), predictions.predicted.max())) + 1
    right = np.bincount(predictions.labels, weights * predictions.right, minlength=size)
    labels = np.bincount(predictions.labels, weights, minlength=size)
    predicted = np.bincount(predictions.predicted, weights, minlength=size)
    return right, labels, predicted


def _f1(right: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the mean F1 of the classes that occur as label or prediction."""
    total = labels + predicted
    occurs = total > 0
    return float((2 * right[occurs] / total[occurs]).mean())


def _mean_recall(right: np.ndarray, labels: np.ndarray, _predicted: np.ndarray) -> float:
    """Returns the mean recall of the classes that have examples."""
    occurs = labels > 0
    return float((right[occurs] / labels[occurs]).mean())


def _bins(confidence: np.ndarray) -> np.ndarray:
    """Returns the index i of the bin (i/15, (i+1)/15] of each confidence."""
    import numpy as np

    finite = np.nan_to_num(confidence)
    bins: np.ndarray = np.clip(np.ceil(finite * BINS) - 1, 0, BINS - 1).astype(np.int64)
    return bins


def _error(bins: np.ndarray, gaps: np.ndarray, weights: np.ndarray) -> float:
    """Returns the expected calibration error: the mean of |confidence - accuracy| over bins.

    Bins are weighted by their number of examples. Sources: Naeini et al. 2015; Guo et al. 2017,
    https://arxiv.org/abs/1706.04599, equation 3.
    """
    import numpy as np

    return float(np.abs(np.bincount(bins, weights * gaps, minlength=BINS)).sum() / weights.sum())
