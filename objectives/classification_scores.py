"""Figures of a classifier over examples, each with its 95 % interval.

Proportions have Wilson's interval; a mean of proportions (balanced accuracy) the one made of
Wilson's by the variances recovered from them; a mean (loss) the normal one; F1 and calibration
error that of a bootstrap over examples with a fixed seed, so that the same answers give the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.objectives.timing.estimates import Z95

if TYPE_CHECKING:
    import numpy as np

BINS = 15
"""Of confidence, equally wide, for the calibration error: as in Guo et al. 2017."""

RESAMPLES = 400

TOP = 5


@dataclass(frozen=True)
class Score:
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Predictions:
    """What a classifier said to N examples.

    Attributes:
        labels: The right classes, int64 [N].
        predicted: The largest logits' classes, int64 [N].
        among_five: Whether the right class is among the five largest, bool [N].
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
        """Of one batch: logits [B, C] and labels [B].

        Of equal logits the first class comes first, as in argmax: a network that says the same of
        all classes is not right about five of them.
        """
        import numpy as np

        given = logits.astype(np.float64)
        rows = np.arange(len(labels))
        own = given[rows, labels][:, None]
        earlier = np.arange(given.shape[1]) < labels[:, None]
        rank = ((given > own) | ((given == own) & earlier)).sum(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):  # no finite number: so is the score
            shifted = given - given.max(axis=1, keepdims=True)
            norm = np.log(np.exp(shifted).sum(axis=1))
            losses = norm - shifted[rows, labels]
            confidence = np.exp(-norm)
        return Predictions(labels, given.argmax(axis=1), rank < TOP, losses, confidence)

    @staticmethod
    def joined(batches: list[Predictions]) -> Predictions:
        """Of several batches."""
        import numpy as np

        names = ("labels", "predicted", "among_five", "losses", "confidence")
        return Predictions(*(np.concatenate([getattr(b, name) for b in batches]) for name in names))

    @property
    def right(self) -> np.ndarray:
        """Whether the prediction is right, bool [N]."""
        found: np.ndarray = self.predicted == self.labels
        return found


def scores_of(answers: Predictions) -> dict[str, Score]:
    """Every figure: top1, top5, balanced, f1, loss, calibration."""
    seen = len(answers.labels)
    balanced = _balanced(answers)
    f1, calibration = _bootstrapped(answers, balanced)
    return {
        "top1": proportion(int(answers.right.sum()), seen),
        "top5": proportion(int(answers.among_five.sum()), seen),
        "balanced": balanced,
        "f1": f1,
        "loss": _mean(answers.losses),
        "calibration": calibration,
    }


def proportion(right: int, seen: int) -> Score:
    """A share with its Wilson interval."""
    return Score(right / seen, *wilson(right, seen))


def wilson(right: int, seen: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a binomial proportion (Wilson 1927, JASA 22, 209-212)."""
    share = right / seen
    scale = 1 + z * z / seen
    middle = (share + z * z / (2 * seen)) / scale
    half = z * math.sqrt(share * (1 - share) / seen + z * z / (4 * seen * seen)) / scale
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)


def _balanced(answers: Predictions) -> Score:
    """Mean recall over the classes that have examples.

    The interval is made of the classes' own: Zou and Donner 2008, Statistics in Medicine 27,
    1693-1702. It is not empty where every answer is right.
    """
    import numpy as np

    seen = np.bincount(answers.labels)
    right = np.bincount(answers.labels, answers.right, minlength=len(seen))
    each = [proportion(int(r), int(n)) for r, n in zip(right, seen, strict=True) if n]
    value = math.fsum(s.value for s in each) / len(each)
    below = math.sqrt(math.fsum((s.value - s.low) ** 2 for s in each)) / len(each)
    above = math.sqrt(math.fsum((s.high - s.value) ** 2 for s in each)) / len(each)
    return Score(value, max(0.0, value - below), min(1.0, value + above))


def _mean(values: np.ndarray) -> Score:
    value = float(values.mean())
    if len(values) < 2 or not math.isfinite(value):
        return Score(value, value, value)
    half = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Score(value, max(0.0, value - half), value + half)


def _bootstrapped(answers: Predictions, balanced: Score) -> tuple[Score, Score]:
    """Macro F1 and calibration error; value plus and minus 1.96 standard errors.

    A resampled calibration error is larger on average than the sample's own, so that its quantiles
    would lie beside the value; its spread does not. Where no resample differs, because every answer
    is right or every one wrong, F1 has the interval of the balanced accuracy, which it then equals.
    """
    import numpy as np

    seen = len(answers.labels)
    random = np.random.default_rng(0)
    every = np.ones(seen)
    bins = _bins(answers.confidence)
    gaps = answers.confidence - answers.right
    draws = []
    for _ in range(RESAMPLES):
        weights = np.bincount(random.integers(0, seen, seen), minlength=seen).astype(float)
        draws.append((_f1(answers, weights), _error(bins, gaps, weights)))
    spread = np.std(np.array(draws), axis=0, ddof=1)
    f1, error = _f1(answers, every), _error(bins, gaps, every)
    if spread[0] == 0:
        around = Score(f1, min(f1, balanced.low), max(f1, balanced.high))
    else:
        around = _within(f1, Z95 * float(spread[0]))
    return around, _within(error, Z95 * float(spread[1]))


def _within(value: float, half: float) -> Score:
    if not math.isfinite(value):
        return Score(value, value, value)
    return Score(value, max(0.0, value - half), min(1.0, value + half))


def _f1(answers: Predictions, weights: np.ndarray) -> float:
    """Mean F1 over the classes that are a label or a prediction; weights [N] of the examples."""
    import numpy as np

    size = int(max(answers.labels.max(), answers.predicted.max())) + 1
    right = np.bincount(answers.labels, weights * answers.right, minlength=size)
    total = np.bincount(answers.labels, weights, minlength=size)
    total += np.bincount(answers.predicted, weights, minlength=size)
    there = total > 0
    return float((2 * right[there] / total[there]).mean())


def _bins(confidence: np.ndarray) -> np.ndarray:
    """The bin (i/15, (i+1)/15] of each confidence."""
    import numpy as np

    known = np.nan_to_num(confidence)
    found: np.ndarray = np.clip(np.ceil(known * BINS) - 1, 0, BINS - 1).astype(np.int64)
    return found


def _error(bins: np.ndarray, gaps: np.ndarray, weights: np.ndarray) -> float:
    """Expected calibration error: mean over bins of |confidence - accuracy|, by their examples.

    Naeini et al. 2015; Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3.
    """
    import numpy as np

    return float(np.abs(np.bincount(bins, weights * gaps, minlength=BINS)).sum() / weights.sum())
