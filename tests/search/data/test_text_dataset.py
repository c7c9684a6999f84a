"""Texts in three parts: classes, batches, calibration, preprocessing and fingerprint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from paretune.search.data.dataset import PARTS
from paretune.search.data.text_dataset import TextDataset
from support.text_files import COLOURS, load_texts, sentences, write_table


def decode_part(data: TextDataset, part: str) -> list[str]:
    """Returns the words of a part, in order."""
    tokenizer = Tokenizer.from_str(data.assets()["tokenizer.json"])
    [(tokens, _)] = data.batches(part, data.size(part))
    return [tokenizer.decode(row) for row in tokens.tolist()]


def test_table_has_three_parts_with_equal_shares_of_each_class(table: Path) -> None:
    data = load_texts(table)
    assert {part: data.size(part) for part in PARTS} == {"train": 38, "validation": 10, "test": 12}
    assert (data.classes, data.class_names) == (2, ["cold", "warm"])
    for part in PARTS:
        [(tokens, labels)] = data.batches(part, 100)
        assert (tokens.dtype, labels.dtype) == (torch.int64, torch.int64)
        assert tokens.shape == (data.size(part), data.shape[0])
        assert labels.bincount().tolist() == [data.size(part) // 2] * 2
        assert int(tokens.min()) >= 0 and int(tokens.max()) < data.shape[1]


def test_texts_keep_their_labels(table: Path) -> None:
    data = load_texts(table, tokenizer="words")
    for part in PARTS:
        [(_, labels)] = data.batches(part, 100)
        for words, label in zip(decode_part(data, part), labels.tolist(), strict=True):
            assert any(colour in words for colour in COLOURS[data.class_names[label]])


def test_batches_follow_the_order(table: Path) -> None:
    data = load_texts(table)
    [(all_tokens, labels)] = data.batches("train", 100)
    order = data.order("train", 5)
    batches = list(data.batches("train", 16, seed=5))
    assert [len(y) for _, y in batches] == [16, 16, 6]
    assert torch.equal(torch.cat([x for x, _ in batches]), all_tokens[order])
    assert torch.equal(torch.cat([y for _, y in batches]), labels[order])
    arrays = list(data.arrays("train", 100))
    assert arrays[0][0].dtype == np.int64 and (arrays[0][0] == all_tokens.numpy()).all()


def test_calibration_yields_the_same_training_texts_each_time(table: Path) -> None:
    data = load_texts(table)
    first, second = (np.concatenate(list(data.calibration(10, 4))) for _ in range(2))
    assert (first == second).all() and first.shape == (10, data.shape[0])
    assert first.dtype == np.int64


def test_preprocessing_is_json(table: Path) -> None:
    data = load_texts(table)
    preprocessing = json.loads(json.dumps(data.preprocessing()))
    assert (preprocessing["length"], preprocessing["vocabulary"]) == data.shape
    assert preprocessing["class_names"] == ["cold", "warm"]
    assert data.input_json() == {"dtype": "int64", "shape": ["batch", data.shape[0]]}
    assert data.black() == ()


@pytest.mark.parametrize(
    "change",
    [{"tokenizer": "words"}, {"length": 8}, {"vocabulary": 40}, {"validation": 0.3}, {"seed": 1}],
    ids=str,
)
def test_fingerprint_changes_with_tokenizer_and_split(change: dict[str, Any], table: Path) -> None:
    assert load_texts(table, **change).fingerprint != load_texts(table).fingerprint


def test_fingerprint_changes_with_texts_and_labels(table: Path, tmp_path: Path) -> None:
    rows = sentences(60)
    text, label = rows[7]
    replacements = [(text + " ", label), (text, "cold" if label == "warm" else "warm")]
    fingerprints = {load_texts(table).fingerprint}
    for index, row in enumerate(replacements):
        changed = write_table(tmp_path / f"{index}.csv", [*rows[:7], row, *rows[8:]])
        fingerprints.add(load_texts(changed).fingerprint)
    assert len(fingerprints) == 3
