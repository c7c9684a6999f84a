"""A comparison of studies as text for the terminal. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from paretune.search.comparing.compared_records import (
    ComparedStudy,
    ComparedTrial,
    ComparisonInfo,
    Difference,
)
from paretune.search.front.changes import Change
from paretune.search.study.records import Axis
from paretune.search.study.units import format_about, format_quantity, format_times
from paretune.search.views.change_text import better_word, noise_mark
from paretune.search.views.text_table import GAP, TableRow, TextTable, align_right, widths_of
from paretune.search.views.words import and_text, count_text

JOINT = "*"
"""Mark of a trial that no trial of another study dominates."""

LEAST_ROOM = 24
"""Columns below which plans stand under the table."""


def comparison_view(info: ComparisonInfo, width: int) -> TextTable:
    """Returns the studies, their fronts in one table, and what differs."""
    return TextTable(
        [
            *_study_rows(info, width),
            TableRow(""),
            *_front_rows(info, width),
            TableRow(""),
            *(TableRow("", [(line, "")], width) for line in result_lines(info)),
            *(TableRow("", [(f"note: {note}.", "dim")], width) for note in info.notes),
        ]
    )


def result_lines(info: ComparisonInfo) -> list[str]:
    """Returns the hypervolumes, and who is better under each objective."""
    return [hypervolume_text(info), *map(lambda d: difference_text(d, info), info.differences)]


def hypervolume_text(info: ComparisonInfo) -> str:
    """Returns `hypervolume on accuracy and size: old 0.412, new 0.398 (0.97 of old)`."""
    values = [(study.name, study.hypervolume) for study in info.studies]
    names = and_text([axis.name for axis in info.axes])
    if any(value is None for _, value in values):
        return f"hypervolume on {names}: not known, as a study has no baseline"
    first = values[0][1]
    parts = [f"{values[0][0]} {first:.3f}"]
    for name, value in values[1:]:
        share = f" ({value / first:.2f} of {values[0][0]})" if first and value is not None else ""
        parts.append(f"{name} {value:.3f}{share}")
    bounds = ", ".join(f"{axis.name} {reference_text(axis, info)}" for axis in info.axes)
    return f"hypervolume on {names}: {', '.join(parts)}; up to {bounds}"


def reference_text(axis: Axis, info: ComparisonInfo) -> str:
    """Returns the reference of an axis as text: `10.00 %`, or `1.2 x the own baseline`."""
    value = info.reference[axis.name]
    if axis.name in info.ratio_axes:
        return f"{value:.2g} x the own baseline"
    return format_quantity(value, axis)


def difference_text(difference: Difference, info: ComparisonInfo) -> str:
    """Returns `accuracy: old (trial 4) is better than new (trial 3) by 2.0 ±1.1 points, paired`."""
    first, second = (
        f"{name} (trial {number})" if number else f"{name} (baseline)"
        for name, number in zip(difference.studies, difference.trials, strict=True)
    )
    axis = next(axis for axis in info.axes if axis.name == difference.objective)
    head = f"best {axis.name}"
    compared = difference.change
    if compared is None:
        return f"{head}: {first} and {second} cannot be compared: a baseline is missing"
    how = "on the same examples" if difference.paired else ""
    if axis.is_score and not difference.paired:
        how = "not paired"
    part = f"{difference.part} part" if axis.is_score else ""
    ratio = "by the ratio to the own baseline" if difference.of_ratios else ""
    where = ", ".join(text for text in (part, how, ratio) if text)
    where = f" ({where})" if where else ""
    if compared.exact and compared.value == (1.0 if compared.relative else 0.0):
        return f"{head}: {first} and {second} are equal{where}"
    size = change_size(compared, axis)
    if difference.better is None:
        return f"{head}: {first} and {second} differ by {size}, within noise{where}"
    ahead, behind = (
        (first, second) if difference.better == difference.studies[0] else (second, first)
    )
    return f"{head}: {ahead} beats {behind} by {size}{where}"


def change_size(change: Change, axis: Axis) -> str:
    """Returns the size of a difference with its 95 % interval, without its sign."""
    if change.relative:
        value, low, high = change.value, change.low, change.high
        if value < 1:
            value, low, high = 1 / value, 1 / high, 1 / low
        interval = "" if change.exact else f" ({format_times(low)} to {format_times(high)})"
        return f"{format_times(value)}{interval}"
    value, half = abs(change.value), max(change.high - change.value, change.value - change.low)
    if axis.unit == "fraction":
        return f"{100 * value:.2f} ±{100 * half:.2f} points"
    spread = "" if change.exact else f" ±{format_quantity(half, axis)}"
    return f"{format_quantity(value, axis)}{spread}"


def _study_rows(info: ComparisonInfo, width: int) -> list[TableRow]:
    names = [study.name for study in info.studies]
    room = max(map(len, names))
    rows = []
    for study in info.studies:
        facts = "; ".join(study.facts.values())
        trials = count_text(study.trials, "trial")
        text = f"{trials}, front of {len(study.front)}{'; ' if facts else ''}{facts}"
        rows.append(TableRow(f"{study.name:<{room}}  ", [(text, "")], max(20, width - room - GAP)))
    return rows


def _front_rows(info: ComparisonInfo, width: int) -> list[TableRow]:
    """Returns the fronts as one table, study by study; plans to the right, or below."""
    for ratios, tests in ((True, True), (True, False), (False, False)):
        headings, lines, plans = front_table(info, ratios, tests)
        widths = widths_of([headings, *lines])
        taken = sum(widths) + GAP * len(widths)
        if taken <= width:
            break
    room = max(0, width - taken)
    beside = room >= LEAST_ROOM

    def row(texts: Sequence[str], plan: str, style: str = "") -> TableRow:
        piece = [(plan, "")] if beside else []
        return TableRow(align_right(texts, widths) + " " * GAP * beside, piece, room, 0, style)

    rows = [
        row(headings, "model", "bold"),
        *(row(*pair) for pair in zip(lines, plans, strict=True)),
    ]
    if not beside:
        labels = [f"{line[0]} {line[1]}" for line in lines]
        left = max(map(len, labels), default=0)
        rows += [
            TableRow(""),
            *(
                TableRow(f"{label:>{left}}  ", [(plan, "")], max(20, width - left - GAP))
                for label, plan in zip(labels, plans, strict=True)
            ),
        ]
    marks = f"{JOINT}: no trial of the other studies beats it in all objectives. ±: 95 % interval."
    return [*rows, TableRow(""), TableRow("", [(marks, "dim")], width)]


def front_table(
    info: ComparisonInfo, ratios: bool = True, tests: bool = True
) -> tuple[list[str], list[list[str]], list[str]]:
    """Returns headings, cells and plans of the fronts of all studies, baselines first.

    Args:
        info: The comparison.
        ratios: Whether columns show how many times better than the baseline a trial is.
        tests: Whether columns show scores on the test part.
    """
    headings = ["study", "trial"]
    for axis in info.axes:
        headings += [axis.name, "on test" if axis.is_score else better_word(axis)]
    headings.append("front")
    lines, plans = [], []
    for study in info.studies:
        for trial in rows_of(study):
            lines.append([study.name, str(trial.number) if trial.number else "base"])
            for axis in info.axes:
                lines[-1] += _cells(trial, axis)
            on_front = any(member.number == trial.number for member in study.front)
            lines[-1].append(JOINT if on_front and trial.undominated else "")
            plans.append(trial.plan)
    fixed = ("study", "trial", "front", *(axis.name for axis in info.axes))
    left_out = set() if ratios else {better_word(axis) for axis in info.axes if not axis.is_score}
    left_out |= set() if tests else {"on test"}
    shown = [
        heading in fixed or (heading not in left_out and any(line[index] for line in lines))
        for index, heading in enumerate(headings)
    ]
    return list(compress(headings, shown)), [list(compress(line, shown)) for line in lines], plans


def rows_of(study: ComparedStudy) -> list[ComparedTrial]:
    """Returns the baseline, unless it is on the front, and the front."""
    if not study.baseline or any(trial.number == 0 for trial in study.front):
        return list(study.front)
    base = ComparedTrial(0, "(baseline)", study.baseline, {}, {}, False)
    return [base, *study.front]


def _cells(trial: ComparedTrial, axis: Axis) -> list[str]:
    measured = trial.measured.get(axis.name)
    value = "" if measured is None else format_about(measured, short=True)
    if axis.is_score:
        test = trial.test.get(axis.name)
        return [value, "" if test is None else format_about(test, short=True)]
    ratio = trial.ratios.get(axis.name)
    if ratio is None or not trial.number:
        return [value, ""]
    return [value, noise_mark(ratio) + format_times(ratio.value)]
