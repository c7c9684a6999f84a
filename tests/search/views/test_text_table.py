"""Tables for the terminal: the same lines as rich prints."""

from __future__ import annotations

import random
from collections.abc import Callable

import click
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import front_info
from paretune.search.views.front_text import front_view
from paretune.search.views.text_table import (
    TableRow,
    TextTable,
    align_right,
    fit_widths,
    widths_of,
    wrap_pieces,
)

MakeRecord = Callable[..., StudyRecord]

PIECES = [("simple_cnn width 0.25 · pruned 24 %", ""), ("  <- knee (or 19)", "bold green")]


@pytest.mark.parametrize("width", [8, 10, 16, 25, 34, 37, 60])
def test_lines_break_where_rich_breaks_them(width: int) -> None:
    generator = random.Random(width)
    console = Console(width=200)
    for _ in range(50):
        words = ["".join(generator.choices("ab·日", k=generator.randint(1, 4))) for _ in range(12)]
        text = " ".join(words[:6]), "  " + " ".join(words[6:])
        pieces = [(part, "") for part in text]
        lines = ["".join(t for t, _ in line) for line in wrap_pieces(pieces, width)]
        expected = Text.assemble(*text).wrap(console, width)
        assert [line.rstrip() for line in lines] == [line.plain.rstrip() for line in expected]
        assert all(cell_len(line) <= width for line in lines)


def test_word_is_cut_when_it_is_longer_than_a_line() -> None:
    lines = list(wrap_pieces([("a abcdefghij k", "")], 4))
    assert ["".join(text for text, _ in line).rstrip() for line in lines] == [
        "a",
        "abcd",
        "efgh",
        "ij k",
    ]


def test_pieces_keep_their_styles_when_they_are_wrapped() -> None:
    lines = list(wrap_pieces(PIECES, 38))
    assert [style for _, style in lines[-1]] == ["bold green"] * len(lines[-1])
    assert "".join(text for text, _ in lines[-1]).startswith("<- knee")
    assert list(wrap_pieces(PIECES, 80)) == [PIECES]


@pytest.mark.parametrize("width", [40, 80, 130, 200])
def test_text_of_a_table_equals_that_of_rich(make_record: MakeRecord, width: int) -> None:
    view = front_view(front_info(make_record(40)), width)
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(view)
    plain = click.unstyle(view.text())
    assert plain.splitlines() == captured.get().splitlines()
    assert all(cell_len(line) <= width for line in plain.splitlines())


def test_wrapped_row_continues_below_its_text() -> None:
    row = TableRow("  7  ", PIECES, 38, 38, "dim", "|")
    lines = click.unstyle(TextTable([row]).text()).splitlines()
    assert lines[0] == "  7  simple_cnn width 0.25 · pruned 24 %   |"
    assert lines[1] == "     <- knee (or 19)                       |"


def test_piece_has_its_own_style_and_that_of_its_row() -> None:
    text = TextTable([TableRow("1 ", [("x", "bold green")], 9, 0, "dim")]).text()
    assert text == click.style("1 ", dim=True) + click.style("x", dim=True, bold=True, fg="green")


def test_widest_columns_are_cut_when_there_is_no_room() -> None:
    lines = [["trial", "accuracy"], ["7", "95.0 ±1.0 %"]]
    widths = widths_of(lines)
    assert widths == [5, 11]
    assert fit_widths(widths, 18) == widths
    assert fit_widths(widths, 15) == [5, 8]
    assert fit_widths(widths, 2) == [1, 1]
    assert align_right(lines[1], [5, 8]) == "    7  95.0 ±1…"
