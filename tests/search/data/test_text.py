"""Texts: folders and tables, splits, tokens, fingerprint, and what every mistake says."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tokenizers import Tokenizer

from paretune.search.data import load_data
from paretune.search.data.dataset import PARTS
from paretune.search.data.text import TextData
from paretune.search.data.text_dataset import TextDataset
from paretune.search.errors import UserError

COLOURS = {"warm": ["red", "orange", "crimson"], "cold": ["blue", "cyan", "azure"]}


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label): the colour in a sentence says which it is."""
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        label = sorted(COLOURS)[index % 2]
        colour = COLOURS[label][random.integers(3)]
        rest = " ".join(random.choice(["a", "the", "old", "Door", "house", "sea"], size=4))
        found.append((f"{rest} is {colour}.", label))
    return found


def write_table(file: Path, rows: list[tuple[str, str]], header: tuple[str, str]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, dialect="excel-tab" if file.suffix == ".tsv" else "excel")
        writer.writerows([header, *rows])
    return file


def write_folders(root: Path, rows: list[tuple[str, str]]) -> Path:
    for index, (text, label) in enumerate(rows):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{index:04d}.txt").write_text(text, encoding="utf-8")
    return root


def load(place: Path, seed: int = 0, **options: Any) -> TextDataset:
    found = load_data("text", {"path": place.name, **options}, place.parent, seed)
    assert isinstance(found, TextDataset)
    return found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 60 sentences in 2 classes."""
    return write_table(tmp_path / "colours.csv", sentences(60), ("text", "label"))


def decoded(data: TextDataset, part: str) -> list[str]:
    """The words of a part, in order."""
    tokenizer = Tokenizer.from_str(data.assets()["tokenizer.json"])
    [(tokens, _)] = data.batches(part, data.size(part))
    return [tokenizer.decode(row) for row in tokens.tolist()]


# -- what is read ------------------------------------------------------------------------------


def test_table_gives_three_parts_in_which_each_class_has_its_share(table: Path) -> None:
    data = load(table)
    assert {part: data.size(part) for part in PARTS} == {"train": 38, "validation": 10, "test": 12}
    assert (data.classes, data.class_names) == (2, ["cold", "warm"])
    for part in PARTS:
        [(tokens, labels)] = data.batches(part, 100)
        assert (tokens.dtype, labels.dtype) == (torch.int64, torch.int64)
        assert tokens.shape == (data.size(part), data.shape[0])
        assert labels.bincount().tolist() == [data.size(part) // 2] * 2
        assert int(tokens.min()) >= 0 and int(tokens.max()) < data.shape[1]


def test_texts_keep_their_labels(table: Path) -> None:
    data = load(table, tokenizer="words")
    for part in PARTS:
        [(_, labels)] = data.batches(part, 100)
        for words, label in zip(decoded(data, part), labels.tolist(), strict=True):
            assert any(colour in words for colour in COLOURS[data.class_names[label]])


def test_table_and_folders_of_the_same_texts_give_the_same_tokens(tmp_path: Path) -> None:
    rows = sorted(sentences(40), key=lambda row: row[1])
    given = [
        load(write_table(tmp_path / "a.csv", rows, ("text", "label"))),
        load(write_table(tmp_path / "b.tsv", rows, ("said", "kind")), text="said", label="kind"),
        load(write_folders(tmp_path / "folders", rows)),
    ]
    assert len({data.fingerprint for data in given}) == 1


@pytest.mark.parametrize("kind", ["tables", "folders"])
def test_given_parts_are_kept(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, count in (("train", 20), ("val", 6), ("test", 8)):
        rows = sentences(count, seed=count)
        if kind == "tables":
            write_table(folder / f"{name}.csv", rows, ("text", "label"))
        else:
            write_folders(folder / name, rows)
    data = load(folder)
    assert [data.size(part) for part in PARTS] == [20, 6, 8]


def test_numbers_as_labels_are_in_order(tmp_path: Path) -> None:
    rows = [(f"text {i}", str(i % 11)) for i in range(66)]
    data = load(write_table(tmp_path / "n.csv", rows, ("text", "label")))
    assert data.class_names == [str(i) for i in range(11)]


def test_long_and_quoted_texts_are_read_whole(tmp_path: Path) -> None:
    long = "word " * 40_000 + 'end, "quoted"\nand a new line'
    rows = [(long, "a"), *[(f"short {i}", "ab"[i % 2]) for i in range(20)]]
    before = csv.field_size_limit()
    data = load(write_table(tmp_path / "long.csv", rows, ("text", "label")), length=16)
    assert data.size("train") + data.size("validation") + data.size("test") == 21
    assert csv.field_size_limit() == before


# -- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["bpe", "words", "characters"])
def test_a_text_is_its_tokens_and_padding(tokenizer: str, table: Path) -> None:
    data = load(table, tokenizer=tokenizer)
    [(tokens, _)] = data.batches("train", 100)
    assert (tokens[:, 0] == 2).all()
    for row in tokens.tolist():
        filled = sum(token != 0 for token in row)
        assert row[filled - 1] == 3 and not any(row[filled:])
    assert data.shape[0] % 8 == 0


def test_unknown_words_are_one_token(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_table(folder / "train.csv", sentences(40), ("text", "label"))
    write_table(folder / "test.csv", [("zebra red", "warm"), ("blue ☃", "cold")], ("text", "label"))
    [(tokens, _)] = load(folder, tokenizer="words").batches("test", 2)
    assert (tokens[0, 1], tokens[1, 2]) == (1, 1)
    assert (tokens[0, 2] > 3) and (tokens[1, 1] > 3)


def test_tokenizer_knows_the_training_part_only(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_table(folder / "train.csv", sentences(40), ("text", "label"))
    for name in ("val", "test"):
        write_table(
            folder / f"{name}.csv", [("secret", "warm"), ("secret", "cold")], ("text", "label")
        )
    tokenizer = json.loads(load(folder, tokenizer="words").assets()["tokenizer.json"])
    assert "secret" not in tokenizer["model"]["vocab"]
    assert "house" in tokenizer["model"]["vocab"]


def test_length_and_vocabulary_are_kept(table: Path) -> None:
    data = load(table, tokenizer="words", length=5, vocabulary=10)
    assert data.shape == (5, 10)
    [(tokens, _)] = data.batches("train", 100)
    assert (tokens[:, 4] == 3).all()  # a cut text still ends as others do
    assert int(tokens.max()) < 10


def test_case_matters_when_asked_for(table: Path) -> None:
    def vocabulary(**options: Any) -> set[str]:
        content = json.loads(load(table, tokenizer="words", **options).assets()["tokenizer.json"])
        return set(content["model"]["vocab"])

    assert "door" in vocabulary() and "Door" not in vocabulary()
    assert "Door" in vocabulary(lowercase=False)


def test_exported_tokenizer_can_be_loaded_again(table: Path, tmp_path: Path) -> None:
    first = load(table)
    (tmp_path / "tokenizer.json").write_text(first.assets()["tokenizer.json"])
    again = load(table, tokenizer="tokenizer.json")
    assert again.shape == first.shape
    assert again.fingerprint == first.fingerprint


def test_tokenizer_is_the_same_in_every_process(table: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from paretune.search.data import load_data;"
        "print(load_data('text', {'path': sys.argv[1]}, Path('.')).fingerprint)"
    )
    command = [sys.executable, "-c", script, str(table)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == load(table).fingerprint


# -- passes ------------------------------------------------------------------------------------


def test_batches_follow_their_order(table: Path) -> None:
    data = load(table)
    [(whole, labels)] = data.batches("train", 100)
    order = data.order("train", 5)
    parts = list(data.batches("train", 16, seed=5))
    assert [len(y) for _, y in parts] == [16, 16, 6]
    assert torch.equal(torch.cat([x for x, _ in parts]), whole[order])
    assert torch.equal(torch.cat([y for _, y in parts]), labels[order])
    arrays = list(data.arrays("train", 100))
    assert arrays[0][0].dtype == np.int64 and (arrays[0][0] == whole.numpy()).all()


def test_calibration_gives_the_same_training_texts(table: Path) -> None:
    data = load(table)
    first, second = (np.concatenate(list(data.calibration(10, 4))) for _ in range(2))
    assert (first == second).all() and first.shape == (10, data.shape[0])
    assert first.dtype == np.int64


def test_preprocessing_is_json(table: Path) -> None:
    data = load(table)
    how = json.loads(json.dumps(data.preprocessing()))
    assert (how["length"], how["vocabulary"]) == data.shape
    assert how["class_names"] == ["cold", "warm"]
    assert data.input_json() == {"dtype": "int64", "shape": ["batch", data.shape[0]]}
    assert data.border() == ()


@pytest.mark.parametrize(
    "change",
    [{"tokenizer": "words"}, {"length": 8}, {"vocabulary": 40}, {"validation": 0.3}, {"seed": 1}],
    ids=str,
)
def test_fingerprint_covers_tokenizer_and_split(change: dict[str, Any], table: Path) -> None:
    assert load(table, **change).fingerprint != load(table).fingerprint


def test_fingerprint_covers_texts_and_labels(table: Path, tmp_path: Path) -> None:
    rows = sentences(60)
    text, label = rows[7]
    other = [(text + " ", label), (text, "cold" if label == "warm" else "warm")]
    prints = {load(table).fingerprint}
    for index, row in enumerate(other):
        changed = [*rows[:7], row, *rows[8:]]
        prints.add(
            load(write_table(tmp_path / f"{index}.csv", changed, ("text", "label"))).fingerprint
        )
    assert len(prints) == 3


# -- mistakes ----------------------------------------------------------------------------------

Writer = Callable[[Path], object]

MISTAKES: dict[str, tuple[str, Writer, dict[str, Any], str]] = {
    "missing": ("no.csv", lambda f: None, {}, r"there is no such file or folder"),
    "empty": ("e.csv", lambda f: f.write_text(" \n"), {}, r"e\.csv is empty; give a header"),
    "header only": (
        "h.csv",
        lambda f: f.write_text("text,label\n"),
        {},
        r"has a header and no rows",
    ),
    "other ending": ("x.json", lambda f: f.write_text("{}"), {}, r"give a \.csv or \.tsv file"),
    "no column": (
        "c.csv",
        lambda f: f.write_text("texts,label\nx,a\n"),
        {},
        r'no column "text"; did you mean "texts"\? Its columns are texts, label; name .* text: ',
    ),
    "no label column": (
        "c.csv",
        lambda f: f.write_text("text,kind\nx,a\n"),
        {"label": "class"},
        r'no column "class"\. Its columns are text, kind; name yours with label: ',
    ),
    "short row": (
        "s.csv",
        lambda f: f.write_text("text,label\nx,a\ny\n"),
        {},
        r"s\.csv:3: this row lacks its text or its label",
    ),
    "empty label": (
        "s.csv",
        lambda f: f.write_text("text,label\nx, \n"),
        {},
        r"s\.csv:2: this row lacks its text or its label",
    ),
    "not UTF-8": (
        "u.csv",
        lambda f: f.write_bytes(b"text,label\n\xff,a\n"),
        {},
        r"u\.csv is not UTF-8 at byte 11; save it so",
    ),
    "open quote": (
        "q.csv",
        lambda f: f.write_text('text,label\n"x,a\n'),
        {},
        r"q\.csv cannot be read as a table: unexpected end of data",
    ),
    "one class": (
        "o.csv",
        lambda f: f.write_text("text,label\nx,a\ny,a\n"),
        {},
        r"o\.csv: the training part has one class only \(0\); there is nothing to classify",
    ),
    "one example": (
        "o.csv",
        lambda f: f.write_text("text,label\nx,a\ny,a\nz,b\n"),
        {},
        r"no test part is given, and class 1 has 1 example",
    ),
    "no folders": ("d", lambda f: f.mkdir(), {}, r"d has no folders and no train\.csv; put each"),
    "empty folder": (
        "d",
        lambda f: [write_folders(f, sentences(4)), (f / "void").mkdir()],
        {},
        r"void holds no \.txt files",
    ),
    "folders of another kind": (
        "d",
        lambda f: (f / "a").mkdir(parents=True),
        {},
        r"d holds no texts \(\.txt\)",
    ),
    "folder not UTF-8": (
        "d",
        lambda f: (write_folders(f, sentences(4)) / "warm" / "z.txt").write_bytes(b"a\xfe"),
        {},
        r"z\.txt is not UTF-8 at byte 1; save it so",
    ),
    "class that train lacks": (
        "d",
        lambda f: [
            f.mkdir(),
            write_table(f / "train.csv", sentences(8), ("text", "label")),
            write_table(f / "test.csv", [("x", "mild")], ("text", "label")),
        ],
        {},
        r"test\.csv has classes that train has not: mild",
    ),
    "no tokenizer": (
        "t.csv",
        lambda f: write_table(f, sentences(20), ("text", "label")),
        {"tokenizer": "mine.json"},
        r"mine\.json: there is no such file",
    ),
    "tokenizer is none": (
        "t.csv",
        lambda f: [
            write_table(f, sentences(20), ("text", "label")),
            f.with_name("mine.json").write_text("{}"),
        ],
        {"tokenizer": "mine.json"},
        r"mine\.json cannot be read as a tokenizer\.json: ",
    ),
    "padding is elsewhere": (
        "t.csv",
        lambda f: [
            write_table(f, sentences(20), ("text", "label")),
            f.with_name("mine.json").write_text(without_padding()),
        ],
        {"tokenizer": "mine.json"},
        r"mine\.json: token 0 is 'the'; it must be padding, one of \[PAD\], <pad>, ",
    ),
}


def without_padding() -> str:
    from tokenizers import models

    return str(Tokenizer(models.WordLevel({"the": 0, "[UNK]": 1}, unk_token="[UNK]")).to_str())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_said(mistake: str, tmp_path: Path) -> None:
    name, write, options, expected = MISTAKES[mistake]
    write(tmp_path / name)
    with pytest.raises(UserError, match=expected):
        load(tmp_path / name, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"tokenizer": "bep"},
            r'unknown tokenizer "bep"; did you mean "bpe"\? Known: bpe, words, ',
        ),
        ({"tokenizer": "t.json", "vocabulary": 99}, r"has its own vocabulary; leave it out"),
        ({"length": 3}, r"length"),
    ],
)
def test_options_are_checked(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        TextData.Params.model_validate({"path": "x.csv", **options})
