"""Examples to measure on: those of the user, or of the study if this machine has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.errors import UserError
from paretune.search.export.raw_examples import (
    StudyExamples,
    load_study_examples,
    load_user_examples,
)

PHOTOS = {"preprocessing": {"shape": [3, 4, 6], "class_names": ["cat", "dog"]}}
TEXTS = {
    "preprocessing": {
        "shape": [8, 100],
        "class_names": ["no", "yes"],
        "tokenizer": "tokenizer.json",
        "columns": ["text", "label"],
    }
}


def photos(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (12, 8), (40 * number, i, 0)).save(folder / name / f"{i}.png")
    return folder


@pytest.mark.parametrize("part", ["", "test"])
def test_folder_of_classes_is_resized_to_the_models_input(tmp_path: Path, part: str) -> None:
    photos(tmp_path / part, "cat", "dog")
    examples = load_user_examples(PHOTOS, tmp_path)
    assert (examples.size("test"), examples.size("validation"), examples.classes) == (6, 0, 2)
    [(first, labels), (last, _)] = examples.arrays("test", 4)
    assert (first.dtype, first.shape, last.shape) == (np.uint8, (4, 3, 4, 6), (2, 3, 4, 6))
    assert labels.tolist() == [0, 0, 0, 1]
    assert first[3, 0, 0, 0] == 40
    assert not examples.same


def test_folder_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has classes that the training part lacks: cow"):
        load_user_examples(PHOTOS, photos(tmp_path, "cat", "cow"))


def test_table_of_texts_is_read(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("text,label\nfine,yes\nbad,no\n")
    [(texts, labels)] = load_user_examples(TEXTS, file).arrays("test", 9)
    assert (list(texts), labels.tolist()) == (["fine", "bad"], [1, 0])
    file.write_text("text,label\nfine,perhaps\n")
    with pytest.raises(UserError, match="the model has no class perhaps"):
        load_user_examples(TEXTS, file)


def test_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"holds one array; give an \.npz archive"):
        load_user_examples(PHOTOS, tmp_path / "x.npy")


def manifest(**changes: Any) -> dict[str, Any]:
    """Returns the part of a manifest that describes the digits, with changes."""
    data = load_data("digits", {}, Path())
    digits = {"name": "digits", "params": {}, "seed": 0, "fingerprint": data.fingerprint}
    return {"data": {**digits, **changes}}


def test_embedded_digits_are_the_examples_of_the_study() -> None:
    examples = load_study_examples(manifest())
    assert isinstance(examples, StudyExamples) and examples.same
    assert examples.size("test") == 450
    images, labels = next(examples.arrays("test", 5))
    assert (images.dtype, images.shape, labels.shape) == (np.uint8, (5, 1, 8, 8), (5,))


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "another"},
        {"name": "npz", "params": {"file": "x.npz"}},
        {"name": "python", "params": {"function": "antigravity:fly"}},
        {"name": "torchvision", "params": {"name": "MNIST", "root": "nowhere"}},
        {"name": "torchvision", "params": {"name": "MNIST", "root": "/"}},
        {"name": "torchvision", "params": {"name": "MNIST", "root": "../.."}},
        {"params": {"no_such": 1}},
    ],
)
def test_other_data_is_not_taken_for_the_studys(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_study_examples(manifest(**changes)) is None
    assert list(tmp_path.iterdir()) == []


def test_preprocessed_study_examples_equal_the_models_inputs() -> None:
    data = load_data("digits", {}, Path())
    images, labels = next(StudyExamples(data).arrays("validation", 7))
    inputs, same = next(data.arrays("validation", 7))
    preprocessing = data.preprocessing()
    expected = (images / 255 - np.array(preprocessing["mean"])[:, None, None]) / np.array(
        preprocessing["std"]
    )
    np.testing.assert_allclose(expected, inputs, atol=1e-5)
    assert np.array_equal(labels, same)
