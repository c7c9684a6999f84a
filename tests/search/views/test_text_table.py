"""Tables of many rows: the same lines as rich lays them out."""

from __future__ import annotations

import random
from collections.abc import Callable

import click
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from paretune.search.study.records import StudyRecord
from paretune.search.views.front import front_info
from paretune.search.views.front_text import front_view
from paretune.search.views.text_table import Row, Rows, fitting, right, widths_of, wrapped

MakeRecord = Callable[..., StudyRecord]

PIECES = [("simple_cnn width 0.25 · pruned 24 %", ""), ("  <- knee (or 19)", "bold green")]


@pytest.mark.parametrize("width", [8, 10, 16, 25, 34, 37, 60])
def test_lines_are_broken_where_rich_breaks_them(width: int) -> None:
    chosen = random.Random(width)
    console = Console(width=200)
    for _ in range(50):
        words = ["".join(chosen.choices("ab·日", k=chosen.randint(1, 4))) for _ in range(12)]
        text = " ".join(words[:6]), "  " + " ".join(words[6:])
        found = ["".join(t for t, _ in line) for line in wrapped([(t, "") for t in text], width)]
        expected = Text.assemble(*text).wrap(console, width)
        assert [line.rstrip() for line in found] == [line.plain.rstrip() for line in expected]
        assert all(cell_len(line) <= width for line in found)


def test_word_that_is_longer_than_a_line_is_cut() -> None:
    found = list(wrapped([("a abcdefghij k", "")], 4))
    assert ["".join(text for text, _ in line).rstrip() for line in found] == [
        "a",
        "abcd",
        "efgh",
        "ij k",
    ]


def test_pieces_keep_their_styles_when_they_are_wrapped() -> None:
    lines = list(wrapped(PIECES, 38))
    assert [style for _, style in lines[-1]] == ["bold green"] * len(lines[-1])
    assert "".join(text for text, _ in lines[-1]).startswith("<- knee")
    assert list(wrapped(PIECES, 80)) == [PIECES]


@pytest.mark.parametrize("width", [40, 80, 130, 200])
def test_text_of_rows_is_what_rich_prints_of_them(make_record: MakeRecord, width: int) -> None:
    view = front_view(front_info(make_record(40)), width)
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(view)
    plain = click.unstyle(view.text())
    assert plain.splitlines() == captured.get().splitlines()
    assert all(cell_len(line) <= width for line in plain.splitlines())


def test_row_that_is_wrapped_goes_on_below_its_text() -> None:
    row = Row("  7  ", PIECES, 38, 38, "dim", "|")
    lines = click.unstyle(Rows([row]).text()).splitlines()
    assert lines[0] == "  7  simple_cnn width 0.25 · pruned 24 %   |"
    assert lines[1] == "     <- knee (or 19)                       |"


def test_styles_of_row_and_piece_are_both_shown() -> None:
    text = Rows([Row("1 ", [("x", "bold green")], 9, 0, "dim")]).text()
    assert text == click.style("1 ", dim=True) + click.style("x", dim=True, bold=True, fg="green")


def test_widest_columns_are_cut_where_there_is_no_room() -> None:
    lines = [["trial", "accuracy"], ["7", "95.0 ±1.0 %"]]
    widths = widths_of(lines)
    assert widths == [5, 11]
    assert fitting(widths, 18) == widths
    assert fitting(widths, 15) == [5, 8]
    assert fitting(widths, 2) == [1, 1]
    assert right(lines[1], [5, 8]) == "    7  95.0 ±1…"
