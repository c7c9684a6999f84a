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
        r"s\.csv:3: this row has 1 cell and the header 2; put texts with commas, quotes or new ",
    ),
    "empty label": (
        "s.csv",
        b"text,label\nx, \n",
        "label",
        r"s\.csv:2: this row lacks its label",
    ),
    "surplus cell": (
        "s.csv",
        b'text,label\n"two\nlines",a\n\nx, y,a\n',
        "label",
        r"s\.csv:5: this row has 3 cells and the header 2; put texts with commas",
    ),
    "surplus cell after a row of three lines": (
        "s.csv",
        b'text,label\r\n"a\r\nb\r\nc",a\r\nx,a,\r\n',
        "label",
        r"s\.csv:5: this row has 3 cells",
    ),
    "row of two lines": (
        "s.csv",
        b'text,label\nx,a\n"a\nb",c,d\n',
        "label",
        r"s\.csv:3: this row has 3 cells",
    ),
    "comma for tab": (
        "s.tsv",
        b"text\tlabel\nx\ta\ny,b\n",
        "label",
        r"s\.tsv:3: this row has 1 cell and the header 2",
    ),
    "column twice": (
        "d.csv",
        b"text,label,label\nx,a,b\n",
        "label",
        r'd\.csv has 2 columns "label"; give each its own name',
    ),
    "NUL byte": (
        "n.csv",
        b"text,label\nx,a\ny\x00,b\n",
        "label",
        r"n\.csv:3: there is a NUL byte, so this is no table in UTF-8; save it again",
    ),
    "UTF-16": (
        "w.csv",
        "text,label\nx,a\n".encode("utf-16"),
        "label",
        r"w\.csv is not UTF-8 at byte 0",
    ),
    "number twice": (
        "n.csv",
        b"text,label\nx,1\ny,2\nz,1.0\n",
        "label",
        r"the classes 1 and 1\.0 are the same number; write one",
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
        r"q\.csv:2: cannot be read as a table: unexpected end of data",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_table_is_refused_with_the_reason(mistake: str, tmp_path: Path) -> None:
    name, content, label, message = MISTAKES[mistake]
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UserError, match=message):
        load_texts(tmp_path / name, label=label)


@pytest.mark.parametrize(
    "content",
    [
        b"text,label\nfine,pos\nbad,neg\n",
        b"\xef\xbb\xbftext,label\r\nfine,pos\r\nbad,neg\r\n",
        b"text, label\nfine, pos\nbad, neg\n",
        b'text, label\n"fine", "pos"\n"bad", "neg"\n',
        b" text ,label \nfine,pos \nbad,\tneg\n",
        b"\ntext,label\n\nfine,pos\n\n\nbad,neg",
        b"text,label\rfine,pos\rbad,neg\r",
        b"id,text,label,\n1,fine,pos,\n2,bad,neg,\n",
    ],
)
def test_spellings_of_a_table_give_the_same_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)

    assert read_table(tmp_path / "t.csv", "text", "label") == (["fine", "bad"], ["pos", "neg"])


def test_labels_in_both_forms_of_unicode_are_one_class(tmp_path: Path) -> None:
    rows = [(f"text {i}", ["caf\u00e9", "cafe\u0301 ", "tea"][i % 3]) for i in range(30)]

    data = load_texts(write_table(tmp_path / "t.csv", rows))

    assert data.class_names == ["caf\u00e9", "tea"]


def test_labels_that_are_no_numbers_are_sorted_as_names(tmp_path: Path) -> None:
    rows = [(f"text {i}", ["nan", "10", "9"][i % 3]) for i in range(30)]

    assert load_texts(write_table(tmp_path / "t.csv", rows)).class_names == ["10", "9", "nan"]
