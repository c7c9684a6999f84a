"""The difference of two measurements on the same examples, without the errors that both share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.objectives.pairing.proportions import difference_interval, mcnemar_p
from paretune.objectives.timing.estimates import Z95

if TYPE_CHECKING:
    from paretune.objectives.example_results import ExampleResults


@dataclass(frozen=True)
class PairedDifference:
    """The difference a - b of two scores of the same examples.

    Attributes:
        value: The difference.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: McNemar's mid-p value; None unless both are proportions.
    """

    value: float
    low: float
    high: float
    p: float | None = None

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval is without 0."""
        return self.low > 0 or self.high < 0


def are_paired(a: Measurement, b: Measurement) -> bool:
    """Returns whether both measurements kept their results on the same examples."""
    first, second = a.per_example, b.per_example
    return first is not None and second is not None and first.pairs_with(second)


def paired_difference(a: Measurement, b: Measurement) -> PairedDifference | None:
    """Returns a - b; None if the measurements are not paired.

    Networks with equal results on every example differ by exactly 0.

    Args:
        a: A measurement.
        b: A measurement of the same quantity.
    """
    if not are_paired(a, b):
        return None
    first, second = a.per_example, b.per_example
    assert first is not None and second is not None
    value = a.value - b.value
    if first.form == "bits":
        only_first, only_second = discordant(first, second)
        low, high = difference_interval(only_first, only_second, first.count)
        return PairedDifference(value, low, high, mcnemar_p(only_first, only_second))
    half = Z95 * _distance(first, second)
    return PairedDifference(value, value - half, value + half)


def paired_log_ratio(a: Measurement, b: Measurement) -> PairedDifference | None:
    """Returns log(a / b) of positive values; None if the measurements are not paired."""
    if not are_paired(a, b):
        return None
    first, second = a.per_example, b.per_example
    assert first is not None and second is not None
    value = math.log(a.value / b.value)
    half = Z95 * _distance(first, second, 1 / a.value, 1 / b.value)
    return PairedDifference(value, value - half, value + half)


def discordant(first: ExampleResults, second: ExampleResults) -> tuple[int, int]:
    """Returns how many examples only the first has right, and how many only the second has."""
    if first.packed == second.packed:
        return 0, 0
    right, other = first.correct(), second.correct()
    return int((right & ~other).sum()), int((other & ~right).sum())


def _distance(
    first: ExampleResults, second: ExampleResults, scale: float = 1.0, other_scale: float = 1.0
) -> float:
    """Returns the standard error of scale * first - other_scale * second."""
    import numpy as np

    samples = min(first.samples, second.samples)
    errors = scale * first.errors(samples) - other_scale * second.errors(samples)
    return float(np.sqrt(errors @ errors))
