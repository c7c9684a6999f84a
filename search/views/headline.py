"""The result of a study in a sentence: what the best trade-off gains, and what it costs."""

from __future__ import annotations

from paretune.search.front.probabilities import differ
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis
from paretune.search.study.units import format_times, format_value
from paretune.search.views.front_table import FrontInfo, FrontRow
from paretune.search.views.words import list_text

WORDS = {"ms": ("faster", "slower"), "bytes": ("smaller", "larger")}
"""Unit -> words for better and worse."""


def answer_text(info: FrontInfo) -> str:
    """Returns `Trial 12 is 5.2x faster than the baseline, for 0.4 points less accuracy ...`.

    The trial is the fastest (or least costly) within a point of the baseline, else the knee.
    """
    row = best_row(info)
    if row is None:
        return (
            "No trial is better than the baseline yet."
            if info.rows
            else "No trial is complete yet."
        )
    gains = [
        times_text(row.ratios[axis.name], axis)
        for axis in info.axes
        if row.ratios.get(axis.name, 1.0) > 1.005
    ]
    fraction = next((axis for axis in info.axes if axis.unit == "fraction"), None)
    change = _change(info.baseline, row, fraction) if fraction else ""
    if not gains:
        return f"Trial {row.trial} is the knee of the front{change and f', {change}'}."
    return (
        f"Trial {row.trial} is {' and '.join(gains)} than the baseline{change and f', {change}'}."
        + _rivals_text(row)
    )


def _rivals_text(row: FrontRow) -> str:
    """Returns a sentence that names the trials as fast as this one, within noise."""
    mark = next((mark for mark in row.marks if mark.startswith("fastest")), "")
    like = row.ties.get(mark, ())
    if not like:
        return ""
    subject = f"Trial {like[0]} is" if len(like) == 1 else f"Trials {list_text(like)} are"
    return f" {subject} as fast, within noise."


def best_row(info: FrontInfo) -> FrontRow | None:
    """Returns the row that the answer is about, or None."""
    marks = [mark for row in info.rows for mark in row.marks]
    fastest = [mark for mark in marks if mark.startswith("fastest")]
    near = [mark for mark in marks if mark.endswith("within 1 point")]
    for mark in (*fastest, *near, "knee"):
        row = info.marked(mark)
        if row is not None:
            return row
    return None


def better_word(axis: Axis) -> str:
    """Returns the word for better on an axis: `faster`, `smaller`, `better in energy`."""
    return _word(axis, 0)


def times_text(ratio: float, axis: Axis) -> str:
    """Returns `2.1x faster`; for a ratio below 1 `1.8x slower`."""
    if ratio >= 0.995:
        return f"{format_times(ratio)} {better_word(axis)}"
    return f"{format_times(1 / ratio)} {_word(axis, 1)}"


def _word(axis: Axis, worse: int) -> str:
    if axis.unit not in WORDS:
        return f"{('better', 'worse')[worse]} in {axis.name}"
    target = Quantity.of(axis.name).target
    return WORDS[axis.unit][worse] + (f" on {target}" if target else "")


def _change(baseline: FrontRow | None, row: FrontRow, axis: Axis) -> str:
    """Returns how the accuracy differs, and whether the difference is within noise."""
    if baseline is None:
        return ""
    part = "test" if axis.name in row.test and axis.name in baseline.test else "validation"
    old, new = (getattr(r, part)[axis.name] for r in (baseline, row))
    points = 100 * (new.value - old.value)
    if abs(points) < 0.005:
        text = f"at the same {axis.name}"
    else:
        text = f"for {abs(points):.1f} points {'more' if points > 0 else 'less'} {axis.name}"
    change = f"{format_value(old.value, axis.unit)} -> {format_value(new.value, axis.unit)}"
    noise = "; within noise" if not differ(old, new) and abs(points) >= 0.005 else ""
    return f"{text} on the {part} part ({change}, {new.count} examples{noise})"
