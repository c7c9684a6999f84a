"""A data set without a test part, of each kind: its size is 0, and nothing is yielded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset
from paretune.search.data.text_dataset import OTHER_TOKENIZER

WriteNpz = Callable[..., Path]
WriteImages = Callable[..., Path]


def assert_has_no_test_part(data: Dataset) -> None:
    assert data.size("test") == 0
    assert data.info()["sizes"]["test"] == 0
    assert data.info()["no_test"].startswith("There is no test part, because the study starts")
    assert data.info()["seen"] is True
    for passes in (data.batches("test", 4), data.examples("test", 4), data.arrays("test", 4)):
        assert list(passes) == []
    assert len(next(data.batches("validation", 2))[1]) == 2


@pytest.mark.parametrize(
    "options",
    [{}, {"resize": 3}, {"resize": 3, "memory": "stream"}, {"resize": [4, 5], "crop": 3}],
)
def test_arrays(
    write_npz: WriteNpz, arrays: dict[str, np.ndarray], options: dict[str, Any]
) -> None:
    file = write_npz(**arrays)
    data = load_data("npz", {"file": file.name, **options}, file.parent, seen=True)
    assert_has_no_test_part(data)
    assert data.fingerprint != load_data("npz", {"file": file.name}, file.parent).fingerprint


@pytest.mark.parametrize("memory", ["ram", "stream"])
def test_image_files(write_images: WriteImages, memory: str) -> None:
    folder = write_images("photos")
    options = {"folder": folder.name, "memory": memory}
    assert_has_no_test_part(load_data("images", options, folder.parent, seen=True))


def test_texts(table: Path) -> None:
    assert_has_no_test_part(load_data("text", {"path": table.name}, table.parent, seen=True))


def test_trained_weights_need_their_own_tokenizer(table: Path) -> None:
    options = {"path": table.name, "unseen": ["validation", "test"], "tokenizer": "words"}
    trained = load_data("text", options, table.parent, seen=True)
    assert OTHER_TOKENIZER in trained.notes
    assert OTHER_TOKENIZER not in load_data("text", options, table.parent).notes
    (table.parent / "own.json").write_text(trained.assets()["tokenizer.json"])
    own = load_data("text", {**options, "tokenizer": "own.json"}, table.parent, seen=True)
    assert OTHER_TOKENIZER not in own.notes


def test_digits_have_a_test_part_of_their_own() -> None:
    usual, seen = load_data("digits", {}, Path()), load_data("digits", {}, Path(), seen=True)
    assert seen.fingerprint == usual.fingerprint
    assert "no_test" not in seen.info() and seen.notes == ()
