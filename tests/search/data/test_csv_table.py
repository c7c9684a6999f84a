"""Tables of texts and labels, and the message for every mistake in one."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from paretune.search.data.csv_table import read_table
from paretune.search.errors import UserError
from support.text_files import load_texts, write_table


def test_long_and_quoted_texts_are_read_whole(tmp_path: Path) -> None:
    long = "word " * 40_000 + 'end, "quoted"\nand a new line'
    rows = [(long, "a"), *[(f"short {i}", "ab"[i % 2]) for i in range(20)]]
    limit = csv.field_size_limit()

    file = write_table(tmp_path / "long.csv", rows)

    assert read_table(file, "text", "label")[0][0] == long
    data = load_texts(file, length=16)
    assert data.size("train") + data.size("validation") + data.size("test") == 21
    assert csv.field_size_limit() == limit


MISTAKES: dict[str, tuple[str, bytes, str, str]] = {
    "empty": ("e.csv", b" \n", "label", r"e\.csv is empty; give a header and one row per text"),
    "header only": ("h.csv", b"text,label\n", "label", r"has a header and no rows"),
    "other ending": ("x.json", b"{}", "label", r"give a \.csv or \.tsv file"),
    "no column": (
        "c.csv",
        b"texts,label\nx,a\n",
        "label",
        r'no column "text"; did you mean "texts"\? Its columns are texts, label; name .* text: ',
    ),
    "no label column": (
        "c.csv",
        b"text,kind\nx,a\n",
        "class",
        r'no column "class"\. Its columns are text, kind; name yours with label: ',
    ),
    "short row": (
        "s.csv",
        b"text,label\nx,a\ny\n",
        "label",
        r"s\.csv:3: this row lacks its text or its label",
    ),
    "empty label": (
        "s.csv",
        b"text,label\nx, \n",
        "label",
        r"s\.csv:2: this row lacks its text or its label",
    ),
    "not UTF-8": (
        "u.csv",
        b"text,label\n\xff,a\n",
        "label",
        r"u\.csv is not UTF-8 at byte 11; save it as UTF-8",
    ),
    "open quote": (
        "q.csv",
        b'text,label\n"x,a\n',
        "label",
        r"q\.csv cannot be read as a table: unexpected end of data",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_table_is_refused_with_the_reason(mistake: str, tmp_path: Path) -> None:
    name, content, label, message = MISTAKES[mistake]
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UserError, match=message):
        load_texts(tmp_path / name, label=label)
