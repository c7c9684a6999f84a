"""How one trial differs from the baseline: lines of `paretune show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paretune.objectives.base import Measurement
from paretune.search.front.changes import Change, change
from paretune.search.study.quantity import SCORE, Quantity
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.study.units import format_times
from paretune.search.views.change_text import (
    SLOWER,
    evidence_text,
    signed_difference,
    times_text,
)


def comparison_lines(trial: TrialRecord, baseline: TrialRecord | None) -> list[str]:
    """Returns `accuracy on test  -0.7 points (-3.4 to +2.0), McNemar p = 0.62: within noise`.

    Compared is what has pairs: scores of the same examples, and the times of the final session.

    Args:
        trial: The trial.
        baseline: Trial 0, or None.
    """
    if baseline is None or trial.number == baseline.number:
        return []
    changes = {
        **dict(_paired(trial.test, baseline.test, "test")),
        **dict(_paired(trial.measurements, baseline.measurements, "validation")),
        **dict(_timed(trial.final, baseline.final)),
    }
    width = max(map(len, changes), default=0) + 2
    return [f"{name:<{width}}{text}" for name, text in changes.items()]


def _paired(
    measured: Mapping[str, Measurement], base: Mapping[str, Measurement], part: str
) -> Iterator[tuple[str, str]]:
    for name, m in measured.items():
        if name in base:
            against = change(m, base[name], part)
            if against.paired:
                yield f"{name} on {part}", _change_text(against, m)


def _timed(
    measured: Mapping[str, Measurement], base: Mapping[str, Measurement]
) -> Iterator[tuple[str, str]]:
    for name, m in measured.items():
        if name in base:
            yield name, _change_text(change(m, base[name]), m)


def _change_text(against: Change, m: Measurement) -> str:
    """Returns the difference, its interval and the evidence."""
    evidence = evidence_text(against)
    evidence = f", {evidence}" if evidence else ""
    if against.relative and Quantity.of(m.name).objective == SCORE:
        score = Axis(m.name, m.unit, m.better, scored=True)
        lowest, middle, highest, _ = signed_difference(against, score)
        return f"{middle:+.1f} % ({lowest:+.1f} to {highest:+.1f}){evidence}"
    if against.relative:
        figure = times_text(against.value, Axis(m.name, m.unit, m.better))
        ends = (against.low, against.high)
        if against.value < SLOWER:
            ends = (1 / against.high, 1 / against.low)
        return f"{figure} ({' to '.join(map(format_times, ends))}){evidence}"
    if against.exact and against.value == 0:
        return "equal on every example"
    scale, unit = (100, "points") if m.unit == "fraction" else (1, m.unit)
    low, value, high = (f"{scale * x:+.2f}" for x in (against.low, against.value, against.high))
    return f"{value} {unit} ({low} to {high}){evidence}"
