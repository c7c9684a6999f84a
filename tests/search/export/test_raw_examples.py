"""Examples to measure on: a user's, or the study's where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.errors import UserError
from paretune.search.export.raw_examples import StudyExamples, at_hand, given

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
def test_folder_of_classes_is_read_at_the_model_s_size(tmp_path: Path, part: str) -> None:
    photos(tmp_path / part, "cat", "dog")
    examples = given(PHOTOS, tmp_path)
    assert (examples.size("test"), examples.size("validation"), examples.classes) == (6, 0, 2)
    [(first, labels), (last, _)] = examples.arrays("test", 4)
    assert (first.dtype, first.shape, last.shape) == (np.uint8, (4, 3, 4, 6), (2, 3, 4, 6))
    assert labels.tolist() == [0, 0, 0, 1]
    assert first[3, 0, 0, 0] == 40
    assert not examples.same


def test_folder_of_other_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has classes that train has not: cow"):
        given(PHOTOS, photos(tmp_path, "cat", "cow"))


def test_table_of_texts_is_read(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("text,label\nfine,yes\nbad,no\n")
    [(texts, labels)] = given(TEXTS, file).arrays("test", 9)
    assert (list(texts), labels.tolist()) == (["fine", "bad"], [1, 0])
    file.write_text("text,label\nfine,perhaps\n")
    with pytest.raises(UserError, match="the model knows no class perhaps"):
        given(TEXTS, file)


def test_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"holds one array; give an \.npz archive"):
        given(PHOTOS, tmp_path / "x.npy")


def said(**more: Any) -> dict[str, Any]:
    data = load_data("digits", {}, Path())
    told = {"name": "digits", "params": {}, "seed": 0, "fingerprint": data.fingerprint}
    return {"data": {**told, **more}}


def test_digits_are_at_hand_and_are_the_study_s() -> None:
    examples = at_hand(said())
    assert isinstance(examples, StudyExamples) and examples.same
    assert examples.size("test") == 450
    images, labels = next(examples.arrays("test", 5))
    assert (images.dtype, images.shape, labels.shape) == (np.uint8, (5, 1, 8, 8), (5,))


@pytest.mark.parametrize(
    "more",
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
def test_other_data_are_not_taken_for_the_study_s(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert at_hand(said(**more)) is None
    assert list(tmp_path.iterdir()) == []


def test_study_s_examples_are_what_its_inputs_are_made_of() -> None:
    data = load_data("digits", {}, Path())
    images, labels = next(StudyExamples(data).arrays("validation", 7))
    inputs, same = next(data.arrays("validation", 7))
    how = data.preprocessing()
    made = (images / 255 - np.array(how["mean"])[:, None, None]) / np.array(how["std"])
    np.testing.assert_allclose(made, inputs, atol=1e-5)
    assert np.array_equal(labels, same)
