"""How results are shown: as text, in a notebook as HTML, and as rows of a data frame."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

WIDTH = 100
"""Columns of texts where there is no terminal."""

PRE = "white-space:pre;overflow-x:auto;line-height:1.35;font-family:monospace"


class Shown(ABC):
    """A result that Python prints as text, and a notebook in a block of its own."""

    @abstractmethod
    def text(self, width: int | None = None) -> str:
        """Returns the text that the command prints.

        Args:
            width: Columns; None takes those of the terminal, or 100 without one.
        """

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return preformatted(self.text(WIDTH))


def columns_of(width: int | None) -> int:
    """Returns the columns of a text: the terminal's if none are asked for."""
    return width or shutil.get_terminal_size((WIDTH, 24)).columns


def preformatted(text: str) -> str:
    """Returns a text as HTML."""
    return f'<div style="{PRE}">{escape(text)}</div>'


def plain_text(view: RenderableType, width: int | None) -> str:
    """Returns what the terminal would show, without colours."""
    from io import StringIO

    from rich.console import Console

    file = StringIO()
    Console(
        file=file,
        width=columns_of(width),
        highlight=False,
        color_system=None,
        force_jupyter=False,  # else rich shows it itself in a notebook
    ).print(view)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Returns a table as HTML.

    Args:
        headings: Heading of each column.
        rows: The cells.
        texts: Number of columns at the end that hold texts; numbers are aligned right.
    """
    numbers = len(headings) - texts
    sides = ["right" if index < numbers else "left" for index in range(len(headings))]
    style = [f' style="text-align:{side};white-space:nowrap"' for side in sides]
    head = "".join(f"<th{s}>{escape(h)}</th>" for s, h in zip(style, headings, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{s}>{escape(c)}</td>" for s, c in zip(style, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def data_frame(rows: Sequence[Mapping[str, Any]], index: str) -> pd.DataFrame:
    """Returns rows as a pandas data frame.

    Args:
        rows: Column -> value.
        index: Column that becomes the index.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise UserError(
            "to_pandas needs pandas; type: pip install 'paretune[pandas]'; or take to_dicts()"
        ) from error
    columns = list(dict.fromkeys(name for row in rows for name in row)) or [index]
    return pd.DataFrame(list(rows), columns=columns).set_index(index)
