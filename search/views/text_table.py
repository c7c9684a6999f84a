"""A fast table for the terminal; its last column may wrap. Prints nothing.

Rich's own tables look at each cell several times, and importing rich takes as long again. For
hundreds of rows both take longer than reading the ten thousand trials behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len, chop_cells, set_cell_size

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

GAP = 2
"""Blanks between two columns."""

STYLES: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "bold": {"bold": True},
    "dim": {"dim": True},
    "italic": {"italic": True},
    "bold green": {"bold": True, "fg": "green"},
}
"""Name of a style in rich -> options of `click.style`."""

_WORD = re.compile(r"\s*\S+\s*")

Piece = tuple[str, str]
"""A text and its style, a key of STYLES."""


@dataclass(frozen=True)
class TableRow:
    """Padded cells, and a text to the right of them that may take several lines.

    Attributes:
        cells: The cells as one text, padded.
        text: Pieces of the text.
        width: Columns at which the text wraps.
        fill: Columns to which each line of the text is filled with blanks.
        style: Style of the whole row.
        end: Text at the end of each line.
    """

    cells: str
    text: Sequence[Piece] = ()
    width: int = 0
    fill: int = 0
    style: str = ""
    end: str = ""

    @property
    def lines(self) -> Iterator[list[Piece]]:
        """The lines of the row; the pieces do not include the style of the row."""
        cells = self.cells
        for pieces in wrap_pieces(self.text, self.width):
            taken = sum(cell_len(text) for text, _ in pieces)
            yield [(cells, ""), *pieces, (" " * (self.fill - taken) + self.end, "")]
            cells = " " * cell_len(cells)


@dataclass(frozen=True)
class TextTable:
    """Rows, one below the other."""

    rows: Sequence[TableRow]

    def text(self) -> str:
        """Returns the lines with colour codes; `click.echo` removes these for a file."""
        return "\n".join(
            "".join(_styled(text, row.style, style) for text, style in line)
            for row in self.rows
            for line in row.lines
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Implements rich's protocol, for commands that print other things with rich."""
        from rich.segment import Segment

        for row in self.rows:
            row_style = console.get_style(row.style)
            for line in row.lines:
                for text, style in line:
                    yield Segment(text, row_style + console.get_style(style))
                yield Segment.line()


def _styled(text: str, row: str, style: str) -> str:
    options = {**STYLES[row], **STYLES[style]}
    return click.style(text, **options) if options and text else text


def wrap_pieces(pieces: Sequence[Piece], width: int) -> Iterator[list[Piece]]:
    """Yields lines of at most `width` columns, broken between words; cuts a longer word."""
    if sum(cell_len(text) for text, _ in pieces) <= width:
        yield list(pieces)
        return
    line: list[Piece] = []
    taken = 0
    for word, style in _words(pieces, max(1, width)):
        if taken + cell_len(word.rstrip()) > width and taken:
            yield line
            line, taken = [], 0
        beyond = max(0, taken + cell_len(word) - width)  # blanks at the end of a full line
        line.append((word[: len(word) - beyond], style))
        taken += cell_len(word)
    yield line


def _words(pieces: Sequence[Piece], width: int) -> Iterator[Piece]:
    """Yields words with the blanks behind them; without these none is wider than `width`."""
    following = [*(text for text, _ in pieces[1:]), ""]
    for index, ((text, style), next_text) in enumerate(zip(pieces, following, strict=True)):
        stripped = text.lstrip() if index else text  # blanks between two pieces belong to the first
        for word in _WORD.findall(stripped + next_text[: len(next_text) - len(next_text.lstrip())]):
            rest = word
            while cell_len(rest.rstrip()) > width:
                part = chop_cells(rest, width)[0]
                yield part, style
                rest = rest[len(part) :]
            yield rest, style


def widths_of(lines: Sequence[Sequence[str]]) -> list[int]:
    """Returns the width of each column of some lines."""
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def fit_widths(widths: Sequence[int], room: int) -> list[int]:
    """Returns the widths, the widest reduced until all fit the room; none goes below 1."""
    fitted = list(widths)
    for _ in range(sum(fitted) + GAP * (len(fitted) - 1) - room):
        widest = fitted.index(max(fitted))
        fitted[widest] = max(1, fitted[widest] - 1)
    return fitted


def align_right(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Returns the texts as cells of one line, each aligned right; cuts a text that is too wide."""
    cells = [
        " " * (width - taken) + text
        if (taken := cell_len(text)) <= width
        else set_cell_size(text, width - 1) + "…"
        for text, width in zip(texts, widths, strict=True)
    ]
    return (" " * GAP).join(cells)
