"""Texts for a language model: files, tokens and windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from paretune.inputs import Tokens
from paretune.search.data import load_data
from paretune.search.data.language_dataset import LanguageDataset
from paretune.search.data.language_tokenizer import (
    PIECE,
    encode_stream,
    pieces,
    train_language_tokenizer,
)
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

TEXT = "".join(f"Line {i}: the quick brown fox number {i % 7} jumps.\n" for i in range(60))


def load(base: Path, path: str = "a.txt", seen: bool = False, **options: Any) -> LanguageDataset:
    params = {"path": path, "tokenizer": "characters", "lowercase": False, "length": 16, **options}
    data = load_data("text", params, base, seen=seen, task=TaskChoice("language_model"))
    assert isinstance(data, LanguageDataset)
    return data


def decoded(data: LanguageDataset, part: str) -> str:
    """Returns the text of all windows in order."""
    tokenizer = Tokenizer.from_str(data.assets()["tokenizer.json"])
    ids = torch.cat([x for x, _ in data.batches(part, 99)]).flatten().tolist()
    text: str = tokenizer.decode(ids)
    return text


def test_windows_are_the_text_and_targets_the_next_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)

    data = load(tmp_path)

    assert data.shape == Tokens(16, data.task.outputs.size)
    for inputs, targets in data.batches("train", 8, seed=3):
        assert inputs.dtype == targets.dtype == torch.int64
        assert torch.equal(inputs[:, 1:], targets[:, :-1])
    text = decoded(data, "train")
    assert TEXT.startswith(text)
    assert "\n" in text
    rows = [(x[-1], y[-1]) for inputs, targets in data.batches("train", 99)
            for x, y in zip(inputs[1:, :1], targets[:-1], strict=True)]  # fmt: skip
    assert all(int(first) == int(last) for first, last in rows)


def test_missing_parts_are_the_ends_of_each_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.md").write_text(TEXT.upper())

    data = load(tmp_path, ".")

    length = len(TEXT)
    assert decoded(data, "train").startswith(TEXT[: round(length * 0.6)])
    assert TEXT[-60:].upper()[:40] in decoded(data, "test")
    sizes = data.info()["sizes"]
    assert sizes["test"] / sum(sizes.values()) == pytest.approx(0.2, abs=0.02)
    assert sizes["validation"] / sum(sizes.values()) == pytest.approx(0.16, abs=0.02)


def test_parts_of_a_folder_are_taken(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(TEXT)
    (tmp_path / "val.txt").write_text(TEXT[:200])
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "x.md").write_text(TEXT[:100])

    data = load(tmp_path, ".")

    assert decoded(data, "validation") == TEXT[:192]
    assert decoded(data, "test") == TEXT[:96]


def test_column_of_a_table_holds_texts(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("note\n" + "\n".join(f'"{TEXT[:300]}"' for _ in range(3)))

    assert load(tmp_path, "t.csv", text="note").size("train") > 20


@pytest.mark.parametrize("kind", ["characters", "words", "bpe"])
def test_tokenizer_is_the_same_each_time(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.txt").write_text(TEXT)

    first, again = (load(tmp_path, tokenizer=kind, vocabulary=300) for _ in range(2))

    assert first.fingerprint == again.fingerprint
    assert first.assets() == again.assets()
    assert first.task.outputs.size <= 300


def test_bytes_know_every_text() -> None:
    tokenizer = train_language_tokenizer("bpe", [TEXT], 280, False)

    ids = encode_stream(tokenizer, ["Ünïcode \n\t 漢字"])

    assert tokenizer.decode(ids.tolist()) == "Ünïcode \n\t 漢字"


def test_token_stands_between_texts_and_none_is_padding() -> None:
    tokenizer = train_language_tokenizer("characters", ["ab"], 99, False)

    ids = encode_stream(tokenizer, ["ab", "ba"]).tolist()

    end = tokenizer.token_to_id("[SEP]")
    assert [i for i, token in enumerate(ids) if token == end] == [2, 5]
    assert 0 not in ids


def test_long_texts_are_cut_at_lines_and_lose_nothing() -> None:
    lines = "x" * 999 + "\n"
    text = lines * 150 + "y" * (2 * PIECE)

    cut = list(pieces(text))

    assert "".join(cut) == text
    assert all(len(piece) <= PIECE for piece in cut)
    assert cut[0].endswith("\n")


def test_unknown_tokens_are_told(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(TEXT)
    (tmp_path / "val.txt").write_text("äöü" * 50)
    (tmp_path / "test.txt").write_text(TEXT)

    notes = load(tmp_path, ".").notes

    assert any("of the validation part's tokens are unknown to the tokenizer." in n for n in notes)
    assert not any("of the test part's tokens" in note for note in notes)


def test_tokenizer_of_a_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    trained = load(tmp_path)
    (tmp_path / "own.json").write_text(trained.assets()["tokenizer.json"])

    data = load(tmp_path, tokenizer="own.json")

    assert data.fingerprint == trained.fingerprint
    assert any("tokenizer" in note for note in load(tmp_path, seen=True, unseen=["test"]).notes)


def test_preprocessing_says_how_tokens_are_made(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)

    preprocessing = load(tmp_path).preprocessing()

    assert preprocessing["length"] == 16
    assert preprocessing["text_tokenizer"] == "tokenizer.json"
    assert "tokenizer" not in preprocessing  # examples are tokens, not texts


def test_texts_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT[:60])
    (tmp_path / "b.txt").write_bytes(b"\xff" * 99)
    (tmp_path / "c.pdf").write_text(TEXT)
    (tmp_path / "empty").mkdir()

    with pytest.raises(UserError, match=r"part has 1\d tokens; a window needs 17; give more text"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"b.txt is not UTF-8 at byte 0; save it as UTF-8"):
        load(tmp_path, "b.txt")
    with pytest.raises(UserError, match=r"c.pdf: give a .txt, .md, .csv or .tsv file"):
        load(tmp_path, "c.pdf")
    with pytest.raises(UserError, match=r"empty holds no text; give .txt, .md, .csv or .tsv files"):
        load(tmp_path, "empty")
    with pytest.raises(UserError, match="there is no such file or folder"):
        load(tmp_path, "nothing.txt")
