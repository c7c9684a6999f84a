"""How a trial differs from the baseline in each objective, and whether that may be chance. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from paretune.objectives.base import Measurement
from paretune.objectives.pairing.differences import are_paired, paired_difference
from paretune.search.front.differences import difference_interval, has_relative_noise
from paretune.search.study.records import Axis, TrialRecord


@dataclass(frozen=True)
class Change:
    """The difference of a trial from the baseline in one quantity.

    Attributes:
        part: "validation" or "test": where both were measured.
        relative: Whether the values below are ratios, how many times better the trial is; else
            they are the trial's value minus the baseline's.
        value: The difference.
        low: Lower end of its 95 % interval.
        high: Upper end.
        paired: Whether the interval is that of the same examples, one by one.
        p: McNemar's mid-p value; None unless two shares of the same examples are compared.
    """

    part: str
    relative: bool
    value: float
    low: float
    high: float
    paired: bool = False
    p: float | None = None

    @property
    def exact(self) -> bool:
        """Whether the difference has no error."""
        return self.low == self.high

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval is without "no difference"."""
        same = 1.0 if self.relative else 0.0
        return self.low > same or self.high < same

    @property
    def within_noise(self) -> bool:
        """Whether the difference has an error, and may be chance."""
        return not self.exact and not self.beyond_noise

    @property
    def half(self) -> float:
        """Distance from the difference to the end of its interval that is nearer to zero.

        So a difference is greater than this exactly if it is beyond noise. Intervals of paired
        shares are not symmetric.
        """
        return self.value - self.low if self.value > 0 else self.high - self.value


def changes_of(
    trial: TrialRecord, baseline: TrialRecord | None, axes: Sequence[Axis]
) -> dict[str, Change]:
    """Returns objective -> difference from the baseline; empty for the baseline itself.

    The difference is that on the test part if both trials were measured there.
    """
    if baseline is None or trial.number == baseline.number:
        return {}
    changes = {}
    for axis in axes:
        part = "test" if axis.name in trial.test and axis.name in baseline.test else "validation"
        new, old = (
            (t.test if part == "test" else t.measurements).get(axis.name) for t in (trial, baseline)
        )
        if new is not None and old is not None:
            changes[axis.name] = change(new, old, part)
    return changes


def within_noise(
    measured: Iterable[Measurement], baseline: Mapping[str, Measurement]
) -> frozenset[str]:
    """Returns the objectives whose difference from the baseline may be chance."""
    pairs = [(new, baseline[new.name]) for new in measured if new.name in baseline]
    return frozenset(new.name for new, old in pairs if change(new, old).within_noise)


def change(new: Measurement, old: Measurement, part: str = "validation") -> Change:
    """Returns how a measurement differs from the baseline's, of the same quantity.

    Args:
        new: The trial's measurement.
        old: The baseline's.
        part: Data part of both.
    """
    low, high = difference_interval(new, old)
    is_paired = are_paired(new, old)
    if has_relative_noise([new, old]):
        value = math.log(new.value / old.value)
        sign = -1 if new.better == "lower" else 1
        low, high = sorted((sign * low, sign * high))
        return Change(part, True, _exp(sign * value), _exp(low), _exp(high), is_paired)
    pair = paired_difference(new, old)
    return Change(
        part, False, new.value - old.value, low, high, is_paired, pair.p if pair else None
    )


def _exp(logarithm: float) -> float:
    """Returns e^x; a hopelessly wide interval ends at the largest number."""
    return math.exp(min(logarithm, 700.0))
