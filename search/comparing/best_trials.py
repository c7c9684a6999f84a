"""Differences between the best trials of two studies, beyond noise or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from paretune.search.comparing.compared_records import ComparedStudy, Difference
from paretune.search.front.changes import Change, change
from paretune.search.study.records import Axis


def differences(
    studies: Sequence[ComparedStudy], axes: Sequence[Axis], ratio_axes: Sequence[str]
) -> list[Difference]:
    """Returns a difference for each pair of studies with a front, and each objective."""
    return [
        _difference(first, second, axis, axis.name in ratio_axes)
        for first, second in combinations(studies, 2)
        if first.front and second.front
        for axis in axes
    ]


def _difference(
    first: ComparedStudy, second: ComparedStudy, axis: Axis, of_ratios: bool
) -> Difference:
    name = axis.name
    a, b = (
        next(trial for trial in study.front if trial.number == study.best[name])
        for study in (first, second)
    )
    part = "test" if name in a.test and name in b.test else "validation"
    compared: Change | None = None
    if not of_ratios:
        new, old = ((t.test if part == "test" else t.measured)[name] for t in (a, b))
        compared = change(new, old, part)
    elif name in a.ratios and name in b.ratios:
        compared = _ratio_change(a.ratios[name], b.ratios[name])
    better = None
    if compared is not None and compared.beyond_noise:
        ahead = compared.value > 1 if compared.relative else compared.value > 0
        if not compared.relative and axis.better == "lower":
            ahead = not ahead
        better = (first if ahead else second).name
    return Difference(
        name,
        (first.name, second.name),
        (a.number, b.number),
        part,
        of_ratios,
        compared,
        compared is not None and compared.paired,
        better,
    )


def _ratio_change(a: Change, b: Change) -> Change:
    """Returns how many times better a ratio to a baseline is than another one, to its own.

    The errors of the two ratios are independent: they come from two sessions.
    """
    value = math.log(a.value) - math.log(b.value)

    def distance(first: float, second: float, third: float, fourth: float) -> float:
        return math.hypot(math.log(first / second), math.log(third / fourth))

    low = value - distance(a.value, a.low, b.high, b.value)
    high = value + distance(a.high, a.value, b.value, b.low)
    return Change("validation", True, math.exp(value), math.exp(low), math.exp(high))
