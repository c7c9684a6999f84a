"""Scores of a classifier of several labels: macro F1, mean average precision, AUROC and others.

A label is predicted if its logit is above 0, a probability above 0.5. Means are over the labels
for which the score is defined:

- F1: the label occurs, or is predicted,
- average precision: the label occurs,
- AUROC: some examples have the label, and some have not.

A mean over no label is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paretune.task import Scored

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np


def multilabel_scores(logits: np.ndarray, labels: np.ndarray) -> dict[str, Scored]:
    """Returns macro_f1, map, auroc, exact and hamming of N examples with L labels.

    Args:
        logits: One logit for each label, [N, L].
        labels: 0 or 1 for each label, [N, L].
    """
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, true = np.asarray(logits, dtype=np.float64), np.asarray(labels) > 0.5
    predicted, count = scores > 0, len(true)
    ranks = _Ranks(scores, true)

    def over(defined: Any, score: Callable[..., float]) -> float:
        """Returns the mean of a score of single labels over those with a definition."""
        values = [score(true[:, label], scores[:, label]) for label in np.flatnonzero(defined)]
        return float(np.mean(values)) if values else float("nan")

    occurs, both = np.any(true, axis=0), np.any(true, axis=0) & ~np.all(true, axis=0)
    wrong = predicted != true
    return {
        "macro_f1": Scored(
            _macro_f1(predicted, true, np.ones(count)),
            count,
            weighted=lambda weights: _macro_f1(predicted, true, weights),
        ),
        "map": Scored(over(occurs, average_precision_score), count, weighted=ranks.precision),
        "auroc": Scored(over(both, roc_auc_score), count, weighted=ranks.auroc),
        "exact": Scored(
            float((~wrong.any(axis=1)).mean()) if count else float("nan"),
            count,
            correct=~wrong.any(axis=1),
        ),
        "hamming": Scored(float(wrong.mean()), count, values=wrong.mean(axis=1)),
    }


def _macro_f1(predicted: np.ndarray, true: np.ndarray, weights: np.ndarray) -> float:
    """Returns the mean F1 of the labels that occur or are predicted."""
    total = weights @ predicted + weights @ true
    both = weights @ (predicted & true)
    occurs = total > 0
    return float((2 * both[occurs] / total[occurs]).mean()) if occurs.any() else float("nan")


class _Ranks:
    """Examples sorted by their scores of each label, for scores of weighted examples.

    Args:
        scores: A number for each label, [N, L].
        true: Whether the example has the label, [N, L].
    """

    def __init__(self, scores: np.ndarray, true: np.ndarray) -> None:
        import numpy as np

        self._order = np.argsort(-scores, axis=0, kind="stable")
        ordered = np.take_along_axis(scores, self._order, axis=0)
        self._true = np.take_along_axis(true, self._order, axis=0)
        rows = np.arange(len(scores))[:, None]
        new = np.ones_like(self._true)
        new[1:] = ordered[1:] != ordered[:-1]
        self._start = np.maximum.accumulate(np.where(new, rows, 0), axis=0)
        last = np.ones_like(new)
        last[:-1] = new[1:]
        ends = np.where(last, rows, len(scores))[::-1]
        self._end = np.minimum.accumulate(ends, axis=0)[::-1]

    def precision(self, weights: np.ndarray) -> float:
        """Returns the mean average precision; equal scores are one threshold."""
        import numpy as np

        drawn = weights[self._order]
        right = drawn * self._true
        above = np.take_along_axis(np.cumsum(drawn, axis=0), self._end, axis=0)
        right_above = np.take_along_axis(np.cumsum(right, axis=0), self._end, axis=0)
        share = np.divide(right_above, above, out=np.zeros_like(above), where=above > 0)
        return _mean_share((right * share).sum(axis=0), right.sum(axis=0))

    def auroc(self, weights: np.ndarray) -> float:
        """Returns the mean area under the ROC curves; equal scores count half."""
        import numpy as np

        drawn = weights[self._order]
        right = drawn * self._true
        wrong = np.cumsum(drawn - right, axis=0)
        through = np.take_along_axis(wrong, self._end, axis=0)
        first = np.take_along_axis(wrong - (drawn - right), self._start, axis=0)
        ahead = wrong[-1] - (first + through) / 2
        return _mean_share((right * ahead).sum(axis=0), right.sum(axis=0) * wrong[-1])


def _mean_share(parts: np.ndarray, wholes: np.ndarray) -> float:
    """Returns the mean of parts / wholes where these are above 0; NaN if none is."""
    used = wholes > 0
    return float((parts[used] / wholes[used]).mean()) if used.any() else float("nan")
