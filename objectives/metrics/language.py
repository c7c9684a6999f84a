"""Scores of a language model: perplexity and accuracy of the next token. Padding does not count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paretune.inputs import PADDING
from paretune.task import Scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

NATS, RIGHT, TOKENS = 0, 1, 2
"""Columns of the sums of a text."""


def token_sums(logits: np.ndarray, tokens: np.ndarray, padding: int = PADDING) -> np.ndarray:
    """Returns nats, correct tokens and tokens of each text, float64 [B, 3].

    Args:
        logits: Logits of the token at each position, [B, T, V].
        tokens: True tokens, int64 [B, T].
        padding: The token that does not count.
    """
    import numpy as np

    sums = np.zeros((len(tokens), 3))
    for text, (row, true) in enumerate(zip(logits, tokens, strict=True)):
        counted = true != padding
        values, true = row[counted].astype(np.float64), true[counted].astype(np.int64)
        if not len(true):
            continue
        largest = values.max(axis=1, keepdims=True)
        norm = np.log(np.exp(values - largest).sum(axis=1)) + largest[:, 0]
        nats = norm - values[np.arange(len(true)), true]
        sums[text] = nats.sum(), (values.argmax(axis=1) == true).sum(), len(true)
    return sums


def language_scores(sums: np.ndarray | Sequence[np.ndarray]) -> dict[str, Scored]:
    """Returns perplexity and token_accuracy; NaN if there is no token.

    Perplexity is the exponential of the mean nats over all tokens, so long texts count more.

    Args:
        sums: Sums of N texts, [N, 3], or of several batches of them.
    """
    import numpy as np

    all_sums = sums if isinstance(sums, np.ndarray) else np.concatenate(list(sums))
    count = len(all_sums)

    def perplexity(weights: np.ndarray) -> float:
        nats, _, tokens = weights @ all_sums
        mean = nats / tokens if tokens else math.nan
        return math.exp(mean) if mean < 700 else math.inf if mean == mean else math.nan

    def accuracy(weights: np.ndarray) -> float:
        _, right, tokens = weights @ all_sums
        return float(right / tokens) if tokens else math.nan

    ones = np.ones(count)
    return {
        "perplexity": Scored(perplexity(ones), count, weighted=perplexity),
        "token_accuracy": Scored(accuracy(ones), count, weighted=accuracy),
    }
