"""The front for the terminal. Returns what is to be printed, and prints nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

from rich.cells import cell_len

from paretune.objectives.base import Measurement
from paretune.search.study.records import Axis
from paretune.search.study.units import format_about, format_chance, format_times, format_value
from paretune.search.views.columns import headings_of
from paretune.search.views.front import FrontInfo, FrontRow
from paretune.search.views.headline import counted, listed
from paretune.search.views.text_table import GAP, Piece, Row, Rows, fitting, right, widths_of

WIDE = 130
"""Columns from which the models stand beside their figures; else they follow below."""

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


def front_view(info: FrontInfo, width: int) -> Rows:
    """The front beside the baseline, for a terminal of so many columns."""
    if not info.rows:
        return Rows([Row("no trial is on the front yet")])
    shown = [*info.rows, *info.close]
    headings, cells = _fitting(info, shown, width)
    models = [_model(row) for row in shown]
    if width >= WIDE:
        rows = _table(info, headings, cells, models, width)
    else:
        rows = [*_table(info, headings, cells, None, width), *_models(cells, models, width)]
    return Rows([*rows, *(Row("", [(note, "dim")], width) for note in _notes(info, headings))])


def _table(
    info: FrontInfo,
    headings: Sequence[str],
    cells: Sequence[Sequence[str]],
    models: Sequence[Sequence[Piece]] | None,
    width: int,
) -> list[Row]:
    """Title, headings and figures, with the models beside them where these are given."""
    widths = fitting(widths_of([headings, *cells]), width - 2)
    taken = 1 + sum(widths) + GAP * (len(widths) - 1)
    models = models and [[("model", "")], *models]
    room = min(max(map(_length, models)), width - taken - GAP - 1) if models else 0
    whole = taken + (GAP + room if models else 0)

    def row(place: int, texts: Sequence[str], style: str) -> Row:
        gap = " " * GAP if models else ""
        body = models[place] if models else []
        return Row(f" {right(texts, widths)}{gap}", body, room, room, style, " ")

    blank = Row(" " * (whole + 1))
    found = [
        Row("", [(f"{info.study}: the front", "")], whole + 1, whole + 1, "italic"),
        blank,
        row(0, headings, "bold"),
        Row(f" {'─' * (whole - 1)} "),
    ]
    for place, (shown, texts) in enumerate(zip([*info.rows, *info.close], cells, strict=True), 1):
        if place == len(info.rows) + 1:
            found.append(blank)
        found.append(row(place, texts, "" if shown.on_front else "dim"))
    return [*found, blank]


def _models(
    cells: Sequence[Sequence[str]], models: Sequence[Sequence[Piece]], width: int
) -> list[Row]:
    """The models below the figures, each beside its trial."""
    trials = [texts[0] for texts in cells]
    taken = max(5, *map(len, trials)) + GAP
    room = min(max(map(_length, models)), width - taken)
    beside = (f"{trial:>{taken - GAP}}{' ' * GAP}" for trial in trials)
    rows = zip(beside, models, strict=True)
    return [*(Row(trial, model, room, room) for trial, model in rows), Row("")]


def _length(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _fitting(
    info: FrontInfo, rows: Sequence[FrontRow], width: int
) -> tuple[list[str], list[list[str]]]:
    """Headings and cells with as much detail as the width bears."""
    for level in LEVELS:
        headings, cells = _columns(info, rows, level)
        if sum(width_of + GAP for width_of in widths_of([headings, *cells])) <= width:
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


def _model(row: FrontRow) -> list[Piece]:
    """What was built, and what speaks for it."""
    pieces = [(row.plan, "")]
    pieces += [(f"  <- {mark_text(row, mark)}", "bold green") for mark in row.marks]
    if not row.trial:
        pieces.append(("  (baseline)", "italic"))
    if row.trial and not row.on_front:
        pieces.append(("  (close to it)", "italic"))
    return pieces


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
