"""The result of a study in a sentence: what the best trade-off gains, and what it costs."""

from __future__ import annotations

from paretune.search.front.changes import Change
from paretune.search.front.highlights import UNDER_LOAD
from paretune.search.study.records import Axis
from paretune.search.study.units import format_quantity
from paretune.search.views.change_text import evidence_text, signed_difference, times_text
from paretune.search.views.front_table import FrontInfo, FrontRow
from paretune.search.views.words import list_text


def answer_text(info: FrontInfo) -> str:
    """Returns `Trial 12 is 5.2x faster than the baseline, for 0.4 points less accuracy ...`.

    The trial is the fastest (or least costly) near the score of the baseline, else the knee.
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
        if row.ratios.get(axis.name, 1.0) > 1.005 and is_beyond_noise(row, axis)
    ]
    score = next((axis for axis in info.axes if axis.is_score), None)
    change = _change(info.baseline, row, score) if score else ""
    if not gains:
        property = "knee of the front" if "knee" in row.marks else row.marks[0]
        return f"Trial {row.trial} is the {property}{change and f', {change}'}."
    return (
        f"Trial {row.trial} is {' and '.join(gains)} than the baseline{change and f', {change}'}."
        + _rivals_text(row)
        + _retrained_text(info, row)
    )


def _retrained_text(info: FrontInfo, row: FrontRow) -> str:
    """Returns a sentence that compares with the baseline's network, trained as candidates are."""
    retrained, change = info.retrained, info.beyond_retrained.get(row.trial)
    if retrained is None or change is None:
        return ""
    axis = next(axis for axis in info.axes if axis.is_score)
    value = format_quantity(getattr(retrained, change.part)[axis.name].value, axis)
    apart = _apart_text(change, axis)
    evidence = evidence_text(change)
    return (
        f" The baseline's network, trained as the candidates are (trial {retrained.trial}), has "
        f"{value}: trial {row.trial} has {apart}{evidence and f' ({evidence})'}."
    )


def _rivals_text(row: FrontRow) -> str:
    """Returns a sentence that names the trials as fast as this one, within noise."""
    mark = next((mark for mark in row.marks if mark.startswith("fastest")), "")
    like = row.ties.get(mark, ())
    if not like:
        return ""
    subject = f"Trial {like[0]} is" if len(like) == 1 else f"Trials {list_text(like)} are"
    return f" {subject} as fast, within noise."


def is_beyond_noise(row: FrontRow, axis: Axis) -> bool:
    """Returns whether a trial differs from the baseline in an objective; True if it is unknown."""
    change = row.changes.get(axis.name)
    return change is None or change.beyond_noise


def best_row(info: FrontInfo) -> FrontRow | None:
    """Returns the row that the answer is about, or None."""
    marks = [mark for row in info.rows for mark in row.marks]
    fastest = [mark for mark in marks if mark.startswith("fastest")]
    fastest.sort(key=lambda mark: mark.startswith(UNDER_LOAD))
    near = [mark for mark in marks if mark.endswith(("within 1 point", "within 1 %"))]
    for mark in (*fastest, *near, "knee"):
        row = info.marked(mark)
        if row is not None:
            return row
    return None


def _change(baseline: FrontRow | None, row: FrontRow, axis: Axis) -> str:
    """Returns how the score differs, and whether the difference is within noise."""
    change = row.changes.get(axis.name)
    if baseline is None or change is None:
        return ""
    old, new = (getattr(r, change.part)[axis.name] for r in (baseline, row))
    apart = _apart_text(change, axis)
    is_same = apart.startswith("the same")
    text = f"{'at' if is_same else 'for'} {apart}"
    evidence = "" if is_same else evidence_text(change)
    values = f"{format_quantity(old.value, axis)} -> {format_quantity(new.value, axis)}"
    details = f"{values}, {new.count} examples{evidence and f'; {evidence}'}"
    return f"{text} on the {change.part} part ({details})"


def _apart_text(change: Change, axis: Axis) -> str:
    """Returns `the same accuracy`, `0.4 points less accuracy`."""
    apart, unit = 100 * change.value, "points"
    if axis.unit != "fraction":
        _, apart, _, unit = signed_difference(change, axis)
    if abs(apart) < 0.005:
        return f"the same {axis.name}"
    figure = f"{abs(apart):.1f} {unit}".rstrip()
    return f"{figure} {'more' if apart > 0 else 'less'} {axis.name}"
