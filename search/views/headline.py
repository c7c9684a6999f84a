"""The answer of a study in a sentence: what the best trade-off gains, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.search.front.probabilities import differ
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis
from paretune.search.study.units import format_times, format_value
from paretune.search.views.front import FrontInfo, FrontRow

WORDS = {"ms": ("faster", "slower"), "bytes": ("smaller", "larger")}
"""Unit -> what being better and worse in it is called."""


def answer_text(info: FrontInfo) -> str:
    """`Trial 12 is 5.2x faster and 8.1x smaller than the baseline, for 0.4 points less accuracy`.

    Speaks of the fastest (or least costly) trial within a point of the baseline; where there is
    none, of the knee.
    """
    row = best_row(info)
    if row is None:
        return "No trial is better than the baseline yet." if info.rows else "No trial is done yet."
    gains = [
        times_text(row.ratios[axis.name], axis)
        for axis in info.axes
        if row.ratios.get(axis.name, 1.0) > 1.005
    ]
    fraction = next((axis for axis in info.axes if axis.unit == "fraction"), None)
    change = _change(info.baseline, row, fraction) if fraction else ""
    if not gains:
        return f"Trial {row.trial} is the knee of the front{change and f', with {change}'}."
    return (
        f"Trial {row.trial} is {' and '.join(gains)} than the baseline{change and f', {change}'}."
        + _as_good(row)
    )


def _as_good(row: FrontRow) -> str:
    """Who may as well be called the fastest, by the noise."""
    mark = next((mark for mark in row.marks if mark.startswith("fastest")), "")
    like = row.like.get(mark, ())
    if not like:
        return ""
    who = f"Trial {like[0]} is" if len(like) == 1 else f"Trials {listed(like)} are"
    return f" {who} as fast, by what can be told apart."


def best_row(info: FrontInfo) -> FrontRow | None:
    """The row the answer speaks of."""
    marks = [mark for row in info.rows for mark in row.marks]
    fastest = [mark for mark in marks if mark.startswith("fastest")]
    near = [mark for mark in marks if mark.endswith("within 1 point")]
    for mark in (*fastest, *near, "knee"):
        row = info.marked(mark)
        if row is not None:
            return row
    return None


def better_word(axis: Axis) -> str:
    """What being better on an axis is called: faster, smaller, better in it."""
    return _word(axis, 0)


def times_text(ratio: float, axis: Axis) -> str:
    """`2.1x faster`; `1.8x slower` for a ratio below 1."""
    if ratio >= 0.995:
        return f"{format_times(ratio)} {better_word(axis)}"
    return f"{format_times(1 / ratio)} {_word(axis, 1)}"


def _word(axis: Axis, worse: int) -> str:
    if axis.unit not in WORDS:
        return f"{('better', 'worse')[worse]} in {axis.name}"
    target = Quantity.of(axis.name).target
    return WORDS[axis.unit][worse] + (f" on {target}" if target else "")


def _change(baseline: FrontRow | None, row: FrontRow, axis: Axis) -> str:
    """How the accuracy differs, and whether that is more than luck."""
    if baseline is None:
        return ""
    part = "test" if axis.name in row.test and axis.name in baseline.test else "validation"
    old, new = (getattr(r, part)[axis.name] for r in (baseline, row))
    points = 100 * (new.value - old.value)
    if abs(points) < 0.005:
        text = f"at the same {axis.name}"
    else:
        text = f"for {abs(points):.1f} points {'more' if points > 0 else 'less'} {axis.name}"
    shown = f"{format_value(old.value, axis.unit)} -> {format_value(new.value, axis.unit)}"
    noise = "; within chance" if not differ(old, new) and abs(points) >= 0.005 else ""
    return f"{text} on the {part} part ({shown}, {new.count} images{noise})"


def counted(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


MOST_LISTED = 6


def listed(numbers: Sequence[int]) -> str:
    """`26, 24 and 31`; the baseline by name, and not more than can be read."""
    names = [str(number) if number else "the baseline" for number in numbers]
    if len(names) > MOST_LISTED:
        more = len(names) - MOST_LISTED + 1
        names = [*names[: MOST_LISTED - 1], f"{more} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def names_of(axes: Sequence[Axis]) -> str:
    """`accuracy, latency and size`."""
    names = [axis.name for axis in axes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
