"""Tokenizers: what they are trained on, how texts become tokens, and which files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from paretune.search.errors import UserError
from support.text_files import load_texts, sentences, write_table


@pytest.mark.parametrize("tokenizer", ["bpe", "words", "characters"])
def test_text_becomes_its_tokens_and_padding(tokenizer: str, table: Path) -> None:
    data = load_texts(table, tokenizer=tokenizer)
    [(tokens, _)] = data.batches("train", 100)
    assert (tokens[:, 0] == 2).all()
    for row in tokens.tolist():
        filled = sum(token != 0 for token in row)
        assert row[filled - 1] == 3 and not any(row[filled:])
    assert data.shape[0] % 8 == 0


def test_words_that_are_not_in_the_vocabulary_share_one_token(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_table(folder / "train.csv", sentences(40))
    write_table(folder / "test.csv", [("zebra red", "warm"), ("blue ☃", "cold")])
    [(tokens, _)] = load_texts(folder, tokenizer="words").batches("test", 2)
    assert (tokens[0, 1], tokens[1, 2]) == (1, 1)
    assert (tokens[0, 2] > 3) and (tokens[1, 1] > 3)


def test_tokenizer_is_trained_on_the_training_part_alone(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_table(folder / "train.csv", sentences(40))
    for name in ("val", "test"):
        write_table(folder / f"{name}.csv", [("secret", "warm"), ("secret", "cold")])
    tokenizer = json.loads(load_texts(folder, tokenizer="words").assets()["tokenizer.json"])
    assert "secret" not in tokenizer["model"]["vocab"]
    assert "house" in tokenizer["model"]["vocab"]


def test_length_and_vocabulary_come_from_the_options(table: Path) -> None:
    data = load_texts(table, tokenizer="words", length=5, vocabulary=10)
    assert data.shape == (5, 10)
    [(tokens, _)] = data.batches("train", 100)
    assert (tokens[:, 4] == 3).all()  # a cut text still ends with [SEP]
    assert int(tokens.max()) < 10


def test_case_is_kept_when_lowercase_is_off(table: Path) -> None:
    def vocabulary(**options: Any) -> set[str]:
        data = load_texts(table, tokenizer="words", **options)
        return set(json.loads(data.assets()["tokenizer.json"])["model"]["vocab"])

    assert "door" in vocabulary() and "Door" not in vocabulary()
    assert "Door" in vocabulary(lowercase=False)


def test_exported_tokenizer_can_be_loaded_again(table: Path, tmp_path: Path) -> None:
    first = load_texts(table)
    (tmp_path / "tokenizer.json").write_text(first.assets()["tokenizer.json"])
    again = load_texts(table, tokenizer="tokenizer.json")
    assert again.shape == first.shape
    assert again.fingerprint == first.fingerprint


@pytest.mark.slow
def test_tokenizer_is_the_same_in_every_process(table: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from paretune.search.data import load_data;"
        "print(load_data('text', {'path': sys.argv[1]}, Path('.')).fingerprint)"
    )
    command = [sys.executable, "-c", script, str(table)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == load_texts(table).fingerprint


def without_padding() -> str:
    from tokenizers import models

    return str(Tokenizer(models.WordLevel({"the": 0, "[UNK]": 1}, unk_token="[UNK]")).to_str())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"mine\.json: there is no such file"),
        ("{}", r"mine\.json cannot be read as a tokenizer\.json: "),
        (
            without_padding(),
            r"mine\.json: token 0 is 'the'; it must be padding, one of \[PAD\], <pad>, ",
        ),
    ],
    ids=["missing", "no tokenizer", "no padding"],
)
def test_tokenizer_file_is_refused_with_the_reason(
    content: str | None, message: str, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "t.csv", sentences(20))
    if content is not None:
        (tmp_path / "mine.json").write_text(content)
    with pytest.raises(UserError, match=message):
        load_texts(table, tokenizer="mine.json")
