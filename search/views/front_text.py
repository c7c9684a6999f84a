"""The front as a table for the terminal. Prints nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress

from rich.cells import cell_len

from paretune.objectives.base import Measurement
from paretune.objectives.calm import was_calm
from paretune.search.study.records import Axis
from paretune.search.study.units import format_about, format_chance, format_quantity
from paretune.search.views.change_text import MARK, WITHIN, difference_text, noise_mark
from paretune.search.views.front_columns import AGAINST, headings_of, ratio_text, seeds_cell
from paretune.search.views.front_table import FrontInfo, FrontRow
from paretune.search.views.seed_text import seed_notes
from paretune.search.views.text_table import (
    GAP,
    Piece,
    TableRow,
    TextTable,
    align_right,
    fit_widths,
    widths_of,
)
from paretune.search.views.words import and_text, count_text, list_text

WIDE = 130
"""A terminal with this many columns shows models next to their figures, else below them."""

MOST_GROUPS = 4
"""Most groups of trials within noise that are listed; --json gives all."""


@dataclass(frozen=True)
class TableDetail:
    """How much the table shows; less on a narrow terminal.

    Attributes:
        spread: Whether fractions on the validation part have intervals even if the test part is
            shown, too.
        changes: Whether a column shows the difference of a fraction from the baseline, in points;
            else a sign may mark the differences within noise.
        ratios: Whether columns show how many times better than the baseline a trial is.
        chance: Heading of the probability to be on the front.
        short: Whether intervals have one digit.
        marks: Whether a sign marks fractions that differ from the baseline only within noise, if
            there is no column for the differences.
    """

    spread: bool = True
    changes: bool = True
    ratios: bool = True
    chance: str = "P(front)"
    short: bool = False
    marks: bool = True


LEVELS = (
    TableDetail(),
    TableDetail(spread=False),
    TableDetail(False, True, True, "P", short=True),
    TableDetail(False, False, True, "P", short=True),
    TableDetail(False, False, True, "P", short=True, marks=False),
    TableDetail(False, False, False, "P", short=True, marks=False),
)
"""From the most detail to the least."""


def front_view(info: FrontInfo, width: int) -> TextTable:
    """Returns the baseline and the front as a table for a terminal of `width` columns."""
    if not info.rows:
        return TextTable([TableRow("no trial is on the front yet")])
    shown = [*info.rows, *info.not_confirmed, *info.close, *info.same_network]
    headings, cells = _fitted_columns(info, shown, width)
    models = [_model(row, info) for row in shown]
    if width >= WIDE:
        rows = _table(info, headings, cells, models, width)
    else:
        rows = [*_table(info, headings, cells, None, width), *_models(cells, models, width)]
    notes = (TableRow("", [(note, "dim")], width) for note in _notes(info, headings, cells))
    return TextTable([*rows, *notes])


def _table(
    info: FrontInfo,
    headings: Sequence[str],
    cells: Sequence[Sequence[str]],
    models: Sequence[Sequence[Piece]] | None,
    width: int,
) -> list[TableRow]:
    """Returns title, headings and figures, with the models next to them if these are passed."""
    widths = fit_widths(widths_of([headings, *cells]), width - 2)
    taken = 1 + sum(widths) + GAP * (len(widths) - 1)
    models = models and [[("model", "")], *models]
    room = min(max(map(_length, models)), width - taken - GAP - 1) if models else 0
    total = taken + (GAP + room if models else 0)

    def row(index: int, texts: Sequence[str], style: str) -> TableRow:
        gap = " " * GAP if models else ""
        model = models[index] if models else []
        return TableRow(f" {align_right(texts, widths)}{gap}", model, room, room, style, " ")

    blank = TableRow(" " * (total + 1))
    rows = [
        TableRow("", [(f"{info.study}: the front", "")], total + 1, total + 1, "italic"),
        blank,
        row(0, headings, "bold"),
        TableRow(f" {'─' * (total - 1)} "),
    ]
    groups = (info.rows, info.not_confirmed, info.close, info.same_network)
    index = 0
    for group in filter(None, groups):
        rows += [blank] if index else []
        for shown in group:
            index += 1
            rows.append(row(index, cells[index - 1], "" if shown.on_front else "dim"))
    return [*rows, blank]


def _models(
    cells: Sequence[Sequence[str]], models: Sequence[Sequence[Piece]], width: int
) -> list[TableRow]:
    """Returns the models, each after its trial number."""
    trials = [texts[0] for texts in cells]
    taken = max(5, *map(len, trials)) + GAP
    room = min(max(map(_length, models)), width - taken)
    numbers = (f"{trial:>{taken - GAP}}{' ' * GAP}" for trial in trials)
    rows = zip(numbers, models, strict=True)
    return [*(TableRow(number, model, room, room) for number, model in rows), TableRow("")]


def _length(pieces: Sequence[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _fitted_columns(
    info: FrontInfo, rows: Sequence[FrontRow], width: int
) -> tuple[list[str], list[list[str]]]:
    """Returns headings and cells with as much detail as fits the width."""
    for level in LEVELS:
        headings, cells = _columns(info, rows, level)
        if sum(column + GAP for column in widths_of([headings, *cells])) <= width:
            break
    return headings, cells


def _columns(
    info: FrontInfo, rows: Sequence[FrontRow], detail: TableDetail
) -> tuple[list[str], list[list[str]]]:
    """Returns headings and cells of the columns that have content."""
    names = {"trial", *(axis.name for axis in info.axes)}
    headings = ["trial", *headings_of(info.axes, bool(info.seeds)), detail.chance]
    lines = [
        [
            str(row.trial) if row.trial else "base",
            *(text for axis in info.axes for text in _figures(row, axis, info, detail)),
            format_chance(row.chance),
        ]
        for row in rows
    ]
    visible = [
        heading in names or any(line[index] for line in lines)
        for index, heading in enumerate(headings)
    ]
    return list(compress(headings, visible)), [list(compress(line, visible)) for line in lines]


def _figures(row: FrontRow, axis: Axis, info: FrontInfo, detail: TableDetail) -> list[str]:
    """Returns the cells of an objective, with the trainings behind a score if there are several."""
    figures = _single_figures(row, axis, info, detail)
    if not (info.seeds and axis.is_score):
        return figures
    count, spread = seeds_cell(row, axis)
    return [*figures, f"{count}, {spread}" if spread and detail.marks else count]


def _single_figures(row: FrontRow, axis: Axis, info: FrontInfo, detail: TableDetail) -> list[str]:
    """Returns the cells of an objective: its value and ratio, or test value and difference."""
    measured = row.validation.get(axis.name)
    about = partial(format_about, short=detail.short)
    if not axis.is_score:
        ratio = ratio_text(row, axis) if detail.ratios else ""
        return [about(measured) if measured else "", ratio]
    test, on_test = row.test.get(axis.name), axis.name in info.on_test
    narrow = not detail.spread and on_test
    value = "" if measured is None else _narrow(measured) if narrow else about(measured)
    tested = about(test) if test else ""
    change = row.changes.get(axis.name)
    if change is None or (change.part == "test") != on_test:
        return [value, tested, ""]
    if detail.changes:
        return [value, tested, difference_text(change, axis)]
    mark = noise_mark(change) if detail.marks else ""
    return [value, mark + tested, ""] if on_test else [mark + value, tested, ""]


def _narrow(measured: Measurement) -> str:
    return format_quantity(measured.value, measured)


def _model(row: FrontRow, info: FrontInfo) -> list[Piece]:
    """Returns the plan of a row, with its marks."""
    pieces = [(row.plan, "")]
    pieces += [(f"  <- {mark_text(row, mark)}", "bold green") for mark in row.marks]
    if not row.trial:
        pieces.append(("  (baseline)", "italic"))
    if row in info.same_network:
        pieces.append(("  (the baseline's network)", "italic"))
    elif row in info.not_confirmed:
        pieces.append((f"  ({not_confirmed_text(row, info)})", "italic"))
    elif row.trial and not row.on_front:
        pieces.append(("  (close to the front)", "italic"))
    return pieces


def not_confirmed_text(row: FrontRow, info: FrontInfo) -> str:
    """Returns why a trial left the front after trainings with other seeds."""
    reason = info.seeds.not_confirmed.get(row.trial, "") if info.seeds else ""
    return f"not confirmed: {reason}"


def mark_text(row: FrontRow, mark: str) -> str:
    """Returns a mark with the trials that may deserve it as well: `knee (or 24)`."""
    like = row.ties.get(mark, ())
    return f"{mark} (or {list_text(like)})" if like else mark


def notes_of(info: FrontInfo) -> list[str]:
    """Returns notes on how the figures were measured, and which rows are within noise."""
    if not info.rows:
        return []
    no_test = [info.no_test] if info.no_test else []
    subnets = [info.subnets.text()] if info.subnets else []
    seeds = seed_notes(info.seeds, info.axes) if info.seeds else []
    measured = [*_tied_notes(info), *_measured_notes(info), *seeds]
    return [*measured, *subnets, *no_test, *info.data_notes]


def _notes(info: FrontInfo, headings: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    notes = notes_of(info)
    if info.baseline is not None:
        notes.append("x: times better than the baseline. ±: half of the 95 % interval.")
    notes += change_notes(info, headings, [cell for line in cells for cell in line])
    if headings[-1] in {level.chance for level in LEVELS}:
        notes.append(
            f"{headings[-1]}: probability that no other trial is better in every objective."
        )
    return notes


def change_notes(info: FrontInfo, headings: Sequence[str], cells: Sequence[str]) -> list[str]:
    """Returns notes on how the trials are compared with the baseline.

    Args:
        info: The table.
        headings: Visible headings.
        cells: Visible cells.
    """
    notes = []
    if AGAINST in headings:
        text = f"{AGAINST}: difference from the baseline {_difference_units(info)}"
        scores = [axis.name for axis in info.axes if axis.is_score]
        unpaired = [name for name in scores if _is_unpaired(name, info.rows)]
        if unpaired != scores:
            text += ", on the same examples"
        if unpaired:
            names = and_text(unpaired)
            text += f"; {names}: not paired, as results on each example are missing"
        notes.append(f"{text}.")
    if any(MARK in cell for cell in cells):
        notes.append(f"{MARK}: differs from the baseline only {WITHIN}.")
    return notes


def _difference_units(info: FrontInfo) -> str:
    """Returns `in points`, `in per cent`, or `in points; rmse: in per cent`."""
    scores = [axis for axis in info.axes if axis.is_score]
    others = [axis.name for axis in scores if axis.unit != "fraction"]
    if not others:
        return "in points"
    if len(others) == len(scores):
        return "in per cent"
    return f"in points; {and_text(others)}: in per cent"


def _is_unpaired(name: str, rows: Sequence[FrontRow]) -> bool:
    """Returns whether a fraction's difference from the baseline is not paired in some row."""
    changes = [row.changes[name] for row in rows if name in row.changes]
    return any(not (change.paired or change.exact) for change in changes)


def _tied_notes(info: FrontInfo) -> list[str]:
    """Returns `accuracy: 24 and 31 are within noise of 26; 20 is within noise of 2.`."""
    notes = []
    for name, groups in info.tied.items():
        quantity = f"{name} on test" if name in info.on_test else name
        parts = [
            f"{list_text(others)} {'are' if len(others) > 1 else 'is'} within noise of "
            f"{list_text([first])}"
            for first, *others in groups[:MOST_GROUPS]
        ]
        more = "; and so on" if len(groups) > MOST_GROUPS else ""
        notes.append(f"{quantity}: {'; '.join(parts)}{more}.")
    return notes


def _measured_notes(info: FrontInfo) -> list[str]:
    """Returns notes on numbers of examples, the final session, busy hosts and racing."""
    notes = []
    for axis in info.axes:
        first = info.rows[0].validation.get(axis.name)
        if axis.is_score and first is not None and first.low < first.high and first.count > 1:
            test = info.rows[0].test.get(axis.name)
            notes.append(f"{axis.name}: {_counts(first, test)}.")
    if info.final is not None:
        networks = count_text(info.final, "network")
        verb = "was" if info.final == 1 else "were"
        notes.append(f"Times are final: {networks} {verb} measured again in one session.")
    notes += disturbed_notes({row.trial: row.validation for row in info.rows})
    if info.stopped:
        notes.append(f"Racing stopped or paused {info.stopped} of {info.trials} trials.")
    return notes


BUSY = "on a busy host, so the interval is wide"
SHARED = "while other Paretune processes worked on the host, which may have slowed it"


def disturbed_notes(rows: Mapping[int, Mapping[str, Measurement]]) -> list[str]:
    """Returns notes on measurements that a busy host disturbed.

    Args:
        rows: Trial -> its measurements.
    """
    disturbed: dict[str, list[int]] = {}
    shared: dict[str, list[int]] = {}
    for trial, measured in rows.items():
        for name, m in measured.items():
            if m.conditions.get("disturbed_host"):
                disturbed.setdefault(name, []).append(trial)
            elif not was_calm(m.conditions):
                shared.setdefault(name, []).append(trial)
    return [
        f"{name} of {list_text(trials)}: measured {how}."
        for group, how in ((disturbed, BUSY), (shared, SHARED))
        for name, trials in group.items()
    ]


def _counts(validation: Measurement, test: Measurement | None) -> str:
    test_part = f" and {test.count} test" if test else ""
    return f"on {validation.count} validation{test_part} examples"
