"""A table of many rows for the terminal, whose last column may be wrapped. Prints nothing.

Rich's own tables look at each cell several times, and importing rich takes as long again: for
hundreds of rows that is more than reading the ten thousand trials they are of.
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
"""Style as rich has it -> as click has it."""

_WORD = re.compile(r"\s*\S+\s*")

Piece = tuple[str, str]
"""A text and its style, one of STYLES."""


@dataclass(frozen=True)
class Row:
    """Cells, and behind them a text that may take several lines.

    Attributes:
        cells: As they are printed, padded.
        body: The text's pieces.
        width: Where the text is wrapped.
        fill: Columns that the text's lines are filled to, with blanks.
        style: Of the whole row.
        end: Behind the text.
    """

    cells: str
    body: Sequence[Piece] = ()
    width: int = 0
    fill: int = 0
    style: str = ""
    end: str = ""

    @property
    def lines(self) -> Iterator[list[Piece]]:
        """Its lines; the style of the row is not in those of the pieces."""
        cells = self.cells
        for pieces in wrapped(self.body, self.width):
            taken = sum(cell_len(text) for text, _ in pieces)
            yield [(cells, ""), *pieces, (" " * (self.fill - taken) + self.end, "")]
            cells = " " * cell_len(cells)


@dataclass(frozen=True)
class Rows:
    """Rows one below the other."""

    rows: Sequence[Row]

    def text(self) -> str:
        """The lines with codes of colours, which `click.echo` leaves out where nobody sees them."""
        return "\n".join(
            "".join(_styled(text, row.style, style) for text, style in line)
            for row in self.rows
            for line in row.lines
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol, for what prints more than this."""
        from rich.segment import Segment

        for row in self.rows:
            whole = console.get_style(row.style)
            for line in row.lines:
                for text, style in line:
                    yield Segment(text, whole + console.get_style(style))
                yield Segment.line()


def _styled(text: str, row: str, style: str) -> str:
    asked = {**STYLES[row], **STYLES[style]}
    return click.style(text, **asked) if asked and text else text


def wrapped(pieces: Sequence[Piece], width: int) -> Iterator[list[Piece]]:
    """Lines of at most so many columns, broken between words; a longer word is cut."""
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
    """Words with the blanks behind them, none longer than the width without these."""
    nexts = [*(text for text, _ in pieces[1:]), ""]
    for place, ((text, style), after) in enumerate(zip(pieces, nexts, strict=True)):
        own = text.lstrip() if place else text  # blanks between two belong to the first
        for word in _WORD.findall(own + after[: len(after) - len(after.lstrip())]):
            rest = word
            while cell_len(rest.rstrip()) > width:
                part = chop_cells(rest, width)[0]
                yield part, style
                rest = rest[len(part) :]
            yield rest, style


def widths_of(lines: Sequence[Sequence[str]]) -> list[int]:
    """Columns that each column of some lines takes."""
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def fitting(widths: Sequence[int], room: int) -> list[int]:
    """The same where there is room; else the widest are cut, as far as one is left of each."""
    found = list(widths)
    for _ in range(sum(found) + GAP * (len(found) - 1) - room):
        widest = found.index(max(found))
        found[widest] = max(1, found[widest] - 1)
    return found


def right(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Cells beside each other, each flush with the right end of its column."""
    cells = [
        " " * (width - taken) + text
        if (taken := cell_len(text)) <= width
        else set_cell_size(text, width - 1) + "…"
        for text, width in zip(texts, widths, strict=True)
    ]
    return (" " * GAP).join(cells)
