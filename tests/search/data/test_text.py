"""Texts in tables and folders: which parts and classes they have, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from paretune.search.data.dataset import PARTS
from paretune.search.data.text import TextData
from paretune.search.errors import UserError
from support.text_files import load_texts, sentences, write_folders, write_table


def test_tables_and_folders_of_the_same_texts_give_the_same_tokens(tmp_path: Path) -> None:
    rows = sorted(sentences(40), key=lambda row: row[1])
    data_sets = [
        load_texts(write_table(tmp_path / "a.csv", rows)),
        load_texts(
            write_table(tmp_path / "b.tsv", rows, ("words", "kind")), text="words", label="kind"
        ),
        load_texts(write_folders(tmp_path / "folders", rows)),
    ]
    assert len({data.fingerprint for data in data_sets}) == 1


@pytest.mark.parametrize("kind", ["tables", "folders"])
def test_existing_parts_are_kept(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, count in (("train", 20), ("val", 6), ("test", 8)):
        rows = sentences(count, seed=count)
        if kind == "tables":
            write_table(folder / f"{name}.csv", rows)
        else:
            write_folders(folder / name, rows)
    data = load_texts(folder)
    assert [data.size(part) for part in PARTS] == [20, 6, 8]


def test_labels_that_are_numbers_are_sorted_by_value(tmp_path: Path) -> None:
    rows = [(f"text {i}", str(i % 11)) for i in range(66)]
    data = load_texts(write_table(tmp_path / "n.csv", rows))
    assert data.class_names == [str(i) for i in range(11)]


# -- mistakes ----------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("no.csv", lambda f: None, r"there is no such file or folder"),
    "one class": (
        "o.csv",
        lambda f: f.write_text("text,label\nx,a\ny,a\n"),
        r"o\.csv: the training part has one class only \(0\); there is nothing to classify",
    ),
    "one example": (
        "o.csv",
        lambda f: f.write_text("text,label\nx,a\ny,a\nz,b\n"),
        r"no test part is given, and class 1 has 1 example",
    ),
    "no folders": ("d", lambda f: f.mkdir(), r"d has no folders and no train\.csv; put each"),
    "empty folder": (
        "d",
        lambda f: [write_folders(f, sentences(4)), (f / "void").mkdir()],
        r"void holds no \.txt files",
    ),
    "folders of another kind": (
        "d",
        lambda f: (f / "a").mkdir(parents=True),
        r"d holds no texts \(\.txt\)",
    ),
    "folder not UTF-8": (
        "d",
        lambda f: (write_folders(f, sentences(4)) / "warm" / "z.txt").write_bytes(b"a\xfe"),
        r"z\.txt is not UTF-8 at byte 1; save it as UTF-8",
    ),
    "class that train lacks": (
        "d",
        lambda f: [
            f.mkdir(),
            write_table(f / "train.csv", sentences(8)),
            write_table(f / "test.csv", [("x", "mild")]),
        ],
        r"test\.csv has classes that the training part lacks: mild",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_texts_are_refused_with_the_reason(mistake: str, tmp_path: Path) -> None:
    name, write, message = MISTAKES[mistake]
    write(tmp_path / name)
    with pytest.raises(UserError, match=message):
        load_texts(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tokenizer": "bep"},
            r'unknown tokenizer "bep"; did you mean "bpe"\? Known: bpe, words, ',
        ),
        ({"tokenizer": "t.json", "vocabulary": 99}, r"has its own vocabulary; leave it out"),
        ({"length": 3}, r"length"),
    ],
)
def test_options_are_refused_with_the_reason(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextData.Params.model_validate({"path": "x.csv", **options})


@pytest.mark.parametrize(
    "names",
    [("Train.csv", "DEV.tsv", "testing.csv"), ("training.TSV", "Valid.csv", "Test.CSV")],
)
def test_tables_of_parts_are_known_by_their_usual_names(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number, name in enumerate(names):
        rows = sentences(20 - 4 * number, seed=number)
        written = write_table(folder / f"x{Path(name).suffix.lower()}", rows)
        written.rename(folder / name)
    (folder / "._train.csv").write_bytes(b"\0\5\x16\7")
    (folder / "README.csv").write_text("no part")

    assert load_texts(folder).info()["sizes"] == {"train": 20, "validation": 16, "test": 12}


def test_two_tables_for_one_part_are_refused(tmp_path: Path) -> None:
    for name in ("train.csv", "training.tsv"):
        write_table(tmp_path / name, sentences(8))

    with pytest.raises(UserError, match=r"has two train parts, train\.csv and training\.tsv; "):
        load_texts(tmp_path)


def test_folders_of_texts_are_the_same_class_in_both_forms_of_unicode(tmp_path: Path) -> None:
    for part, cafe in (("Train", "cafe\u0301"), ("Test", "caf\u00e9")):
        for label in (cafe, "tea"):
            rows = [(f"{part} {label} {n}", label) for n in range(6)]
            write_folders(tmp_path / "texts" / part, rows)
    (tmp_path / "texts" / "Train" / "tea" / "._0000.txt").write_bytes(b"\0\5\x16\7")
    (tmp_path / "texts" / "Train" / "tea" / "notes.md").write_text("skipped")

    data = load_texts(tmp_path / "texts")

    assert data.class_names == ["caf\u00e9", "tea"]
    assert data.size("test") == 12
    assert data.notes[0] == "Skipped 1 file: 1 .md."


def test_folders_of_folders_of_texts_are_refused(tmp_path: Path) -> None:
    for part in ("first", "second"):
        write_folders(tmp_path / "texts" / part, sentences(8, seed=len(part)))

    with pytest.raises(UserError, match=r"first is no class: it holds no texts itself, but fold"):
        load_texts(tmp_path / "texts")
