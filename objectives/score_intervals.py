"""The 95 % interval of a task's score, and the results that pair it with another network's.

- A share of correct examples has Wilson's interval.
- A mean of numbers has the normal interval.
- Any other score is bootstrapped over examples: plus and minus 1.96 standard errors, as F1 in
  `classification_scores`.

If all samples agree, a fraction takes Wilson's interval for its value: a perfect score on ten
examples is not certain.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.objectives.bootstrap import RESAMPLES, resample_weights
from paretune.objectives.classification_scores import wilson
from paretune.objectives.example_results import ExampleResults
from paretune.objectives.timing.estimates import Z95
from paretune.task import Scored

if TYPE_CHECKING:
    import numpy as np

PATIENCE = 10.0
"""Longest time in seconds for the bootstrap of one score, before it takes fewer samples."""

FEWER = (100, 50)
"""Numbers of samples if all of them take too long. All networks have the same first samples."""

MOST_UNDEFINED = 0.1
"""Largest share of the samples for which a score may be undefined."""


@dataclass(frozen=True)
class ScoreInterval:
    """The 95 % interval of a score.

    Attributes:
        low: Lower end.
        high: Upper end; both equal the value if there is no interval.
        results: What pairs the score with that of another network; None if there is nothing.
        samples: Number of bootstrap samples; 0 if there was no bootstrap.
    """

    low: float
    high: float
    results: ExampleResults | None = None
    samples: int = 0


def score_interval(
    scored: Scored,
    unit: str,
    examples: str,
    clock: Callable[[], float] = time.perf_counter,
) -> ScoreInterval:
    """Returns the interval of a finite score.

    Args:
        scored: The score.
        unit: Its unit; a fraction is at most 1.
        examples: Digest of the examples.
        clock: Seconds; decides when the bootstrap takes too long.
    """
    if scored.correct is not None:
        low, high = wilson(int(scored.correct.sum()), scored.count)
        return ScoreInterval(low, high, ExampleResults.of_correct(scored.correct, examples))
    if scored.values is not None:
        return _mean_interval(scored, unit, examples)
    if scored.weighted is not None:
        return _bootstrap_interval(scored, unit, examples, clock)
    return ScoreInterval(scored.value, scored.value)


def _mean_interval(scored: Scored, unit: str, examples: str) -> ScoreInterval:
    values = scored.values
    assert values is not None
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    low, high = _ends(scored, unit, error, float(values.min()))
    return ScoreInterval(low, high, ExampleResults.of_values(values, examples))


def _bootstrap_interval(
    scored: Scored, unit: str, examples: str, clock: Callable[[], float]
) -> ScoreInterval:
    resampled = _resampled(scored, clock)
    if resampled is None:
        return ScoreInterval(scored.value, scored.value)
    error, least = float(resampled.std(ddof=1)), float(resampled.min())
    low, high = _ends(scored, unit, error, least)
    results = ExampleResults.of_resamples(resampled, scored.value, scored.count, examples)
    return ScoreInterval(low, high, results, len(resampled))


def _resampled(scored: Scored, clock: Callable[[], float]) -> np.ndarray | None:
    """Returns the score of each sample; None if it is undefined for too many.

    The samples for which it is undefined take the mean of the others, so that they count as no
    change. Whether they are depends on the targets, and not on the network.
    """
    import numpy as np

    assert scored.weighted is not None
    values: list[float] = []
    wanted, begun = RESAMPLES, clock()
    for weights in resample_weights(scored.count):
        values.append(float(scored.weighted(weights)))
        if len(values) == 5:
            wanted = _affordable((clock() - begun) / len(values))
        if len(values) == wanted:
            break
    resampled = np.array(values)
    undefined = ~np.isfinite(resampled)
    if undefined.mean() > MOST_UNDEFINED:
        return None
    resampled[undefined] = resampled[~undefined].mean()
    return resampled


def _affordable(seconds: float) -> int:
    """Returns the number of samples if one takes this long."""
    if seconds * RESAMPLES <= PATIENCE:
        return RESAMPLES
    return next((number for number in FEWER if seconds * number <= PATIENCE), FEWER[-1])


def _ends(scored: Scored, unit: str, error: float, least: float) -> tuple[float, float]:
    """Returns the ends of the interval: 1.96 standard errors around the value.

    Args:
        scored: The score.
        unit: Its unit.
        error: Its standard error.
        least: The smallest of the examples or samples; if it is not negative, nothing is.
    """
    value = scored.value
    if unit == "fraction" and error == 0 and 0 <= value <= 1:
        low, high = wilson(value * scored.count, scored.count)
        return min(low, value), max(high, value)
    low, high = value - Z95 * error, value + Z95 * error
    if least >= 0:
        low = max(low, min(0.0, value))
    return low, max(value, min(high, 1.0)) if unit == "fraction" else high
