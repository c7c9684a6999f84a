"""The front for the terminal. Returns what is to be printed, and prints nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from objectives.base import Measurement
from search.records import Axis
from search.views.answer import counted, listed
from search.views.columns import headings_of
from search.views.format import format_about, format_chance, format_times, format_value
from search.views.front import FrontInfo, FrontRow

WIDE = 130
"""Columns from which the models stand beside their figures; else they follow below."""

GAP = 2
"""Blanks between two columns."""

MOST_GROUPS = 4
"""Of trials that do not differ, in words; --json has all."""


@dataclass(frozen=True)
class Detail:
    """How much the table shows; less where the terminal is narrow.

    Attributes:
        spread: Intervals of fractions on the validation part, where the test part stands beside.
        ratios: How many times better than the baseline.
        chance: Heading of the probability to be on the front.
        short: Intervals of one digit where that says enough.
    """

    spread: bool = True
    ratios: bool = True
    chance: str = "P(front)"
    short: bool = False


LEVELS = (
    Detail(),
    Detail(spread=False),
    Detail(False, True, "P", short=True),
    Detail(False, False, "P", short=True),
)
"""From the most to the least."""


def front_view(info: FrontInfo, width: int) -> RenderableType:
    """The front beside the baseline, for a terminal of so many columns."""
    if not info.rows:
        return Text("no trial is on the front yet")
    shown = [*info.rows, *info.close]
    headings, cells = _fitting(info, shown, width)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{info.study}: the front",
        title_justify="left",
        padding=(0, GAP - 1, 0, 0),  # and one for the line between them
        pad_edge=False,
    )
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    models = Table.grid(padding=(0, 2))
    models.add_column(justify="right", min_width=5)
    wide = width >= WIDE
    if wide:
        table.add_column("model")
    for row, texts in zip(shown, cells, strict=True):
        style = None if row.on_front else "dim"
        last = row is info.rows[-1] and bool(info.close)
        table.add_row(*texts, *([_model(row)] if wide else []), style=style, end_section=last)
        models.add_row(texts[0], _model(row))
    notes = [Text(line, style="dim") for line in _notes(info, headings)]
    return Group(table, *notes) if wide else Group(table, models, Text(), *notes)


def _fitting(
    info: FrontInfo, rows: Sequence[FrontRow], width: int
) -> tuple[list[str], list[list[str]]]:
    """Headings and cells with as much detail as the width bears."""
    for level in LEVELS:
        headings, cells = _columns(info, rows, level)
        lines = zip(headings, *cells, strict=True)
        taken = sum(max(map(cell_len, column)) + GAP for column in lines)
        if taken <= width:
            break
    return headings, cells


def _columns(
    info: FrontInfo, rows: Sequence[FrontRow], detail: Detail
) -> tuple[list[str], list[list[str]]]:
    """What there is something of: a study without a baseline has no "faster"."""
    names = {"trial", *(axis.name for axis in info.axes)}
    titles = ["trial", *headings_of(info.axes), detail.chance]
    lines = [
        [
            str(row.trial) if row.trial else "base",
            *(text for axis in info.axes for text in _figures(row, axis, info, detail)),
            format_chance(row.chance),
        ]
        for row in rows
    ]
    shown = [
        title in names or any(line[place] for line in lines) for place, title in enumerate(titles)
    ]
    return list(compress(titles, shown)), [list(compress(line, shown)) for line in lines]


def _figures(row: FrontRow, axis: Axis, info: FrontInfo, detail: Detail) -> tuple[str, str]:
    """An objective's two cells: its value, and the test part's or times the baseline's."""
    measured = row.validation.get(axis.name)
    if measured is None:
        return "", ""
    test, about = row.test.get(axis.name), partial(format_about, short=detail.short)
    if axis.unit == "fraction":
        narrow = not detail.spread and axis.name in info.on_test
        value = format_value(measured.value, axis.unit) if narrow else about(measured)
        return value, about(test) if test else ""
    times = row.ratios.get(axis.name) if detail.ratios and row.trial else None
    return about(measured), format_times(times) if times else ""


def _model(row: FrontRow) -> Text:
    """What was built, and what speaks for it."""
    plan = Text(row.plan)
    for mark in row.marks:
        plan.append(f"  <- {mark_text(row, mark)}", style="bold green")
    if not row.trial:
        plan.append("  (baseline)", style="italic")
    if row.trial and not row.on_front:
        plan.append("  (close to it)", style="italic")
    return plan


def mark_text(row: FrontRow, mark: str) -> str:
    """A mark, with the trials that may as well have it: `knee (or 24)`."""
    like = row.like.get(mark, ())
    return f"{mark} (or {listed(like)})" if like else mark


def notes_of(info: FrontInfo) -> list[str]:
    """What the figures rest on, and which of them do not differ."""
    return [*_alike(info), *_measured(info)] if info.rows else []


def _notes(info: FrontInfo, headings: Sequence[str]) -> list[str]:
    notes = notes_of(info)
    if info.baseline is not None:
        notes.append("x: times better than the baseline. ±: half of the 95 % interval.")
    if headings[-1] in {level.chance for level in LEVELS}:
        notes.append(
            f"{headings[-1]}: probability to be on the front, that no other trial is better."
        )
    return notes


def _alike(info: FrontInfo) -> list[str]:
    """Lines such as `latency: 24 and 31 do not differ from 26; 20 does not from 2.`."""
    found = []
    for name, groups in info.alike.items():
        where = f"{name} on test" if name in info.on_test else name
        parts: list[str] = []
        for first, *others in groups[:MOST_GROUPS]:
            verb = "do" if len(others) > 1 else "does"
            what = f"{verb} not differ from" if not parts else f"{verb} not from"
            parts.append(f"{listed(others)} {what} {listed([first])}")
        more = "; and so on" if len(groups) > MOST_GROUPS else ""
        found.append(f"{where}: {'; '.join(parts)}{more}.")
    return found


def _measured(info: FrontInfo) -> list[str]:
    """On how many examples, and in which session."""
    found = []
    for axis in info.axes:
        first = info.rows[0].validation.get(axis.name)
        if axis.unit == "fraction" and first is not None and first.low < first.high:
            test = info.rows[0].test.get(axis.name)
            found.append(f"{axis.name}: {_counts(first, test)}.")
    if info.final is not None:
        found.append(
            f"Times are final: {counted(info.final, 'network')} measured again in one session."
        )
    found += disturbed_notes({row.trial: row.validation for row in info.rows})
    if info.stopped:
        found.append(f"{info.stopped} of {info.trials} trials were held up early by racing.")
    return found


def disturbed_notes(rows: Mapping[int, Mapping[str, Measurement]]) -> list[str]:
    """What was timed while the host was too busy, of trials with their measurements."""
    busy: dict[str, list[int]] = {}
    for trial, measured in rows.items():
        for name, m in measured.items():
            if m.conditions.get("disturbed_host"):
                busy.setdefault(name, []).append(trial)
    return [
        f"{name} of {listed(trials)}: taken while others kept the host busy, hence the intervals."
        for name, trials in busy.items()
    ]


def _counts(validation: Measurement, test: Measurement | None) -> str:
    also = f" and {test.count} test" if test else ""
    return f"on {validation.count} validation{also} examples"
