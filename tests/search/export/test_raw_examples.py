"""Examples to measure on: those of the user, or of the study if this machine has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.digits import DigitsData
from paretune.search.data.raw_data import RawData, checked_part
from paretune.search.errors import UserError
from paretune.search.export.raw_examples import (
    StudyExamples,
    load_study_examples,
    load_user_examples,
)
from paretune.search.tasks.target_facts import TargetFacts

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
    assert (examples.size("test"), examples.size("validation")) == (6, 0)
    assert examples.task.outputs.size == 2
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


def test_data_is_split_as_in_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the fingerprint would differ, and accuracies could not be checked."""
    images, labels = np.arange(40 * 64, dtype=np.uint64).reshape(40, 8, 8) % 256, np.arange(40) % 2
    parts = {
        "train": checked_part("digits", "train", images[:20], labels[:20]),
        "validation": checked_part("digits", "validation", images[20:], labels[20:]),
    }
    load = staticmethod(lambda params, base: RawData("digits", parts, TargetFacts("class", 2)))
    monkeypatch.setattr(DigitsData, "load", load)
    studys = load_data("digits", {}, Path(), seen=True)
    examples = load_study_examples(manifest(fingerprint=studys.fingerprint, **studys.info()))
    assert examples is not None
    assert (examples.size("validation"), examples.size("test")) == (10, 10)
    assert load_study_examples(manifest(fingerprint=studys.fingerprint)) is None


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


PIPELINE = {
    "shape": [3, 8, 6],
    "class_names": ["cat", "dog"],
    "color": "RGB",
    "exif": True,
    "resize": 9,
    "crop": [8, 6],
    "interpolation": "bicubic",
}


def test_files_are_prepared_as_the_study_did(tmp_path: Path) -> None:
    """Files, and arrays of the pictures, give what the study measured."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for row in range(3):
            pixels = rng.integers(0, 256, (14, 11, 3), dtype=np.uint8)
            exif = Image.Exif()
            exif[0x0112] = 1
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{row}.png", exif=exif)
    options = {key: PIPELINE[key] for key in ("resize", "crop", "interpolation")}
    data = load_data("images", {"folder": "photos", "mean": 0.5, "std": 0.5, **options}, tmp_path)
    manifest = {"preprocessing": data.preprocessing(), "data": {"name": "images"}}

    [(ours, labels)] = load_user_examples(manifest, tmp_path / "photos").arrays("test", 9)

    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    parts = ("train", "validation", "test")
    study = np.concatenate([x for part in parts for x, _ in data.examples(part, 9)])
    assert sorted(x.tobytes() for x in ours) == sorted(x.tobytes() for x in study)


def test_arrays_are_prepared_as_the_study_did(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (20, 14, 11, 3), dtype=np.uint8)
    y = np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    data = load_data("npz", {"file": "a.npz", "resize": 9, "crop": [8, 6]}, tmp_path)
    manifest = {"preprocessing": data.preprocessing(), "data": {"name": "npz"}}

    [(ours, _)] = load_user_examples(manifest, tmp_path / "a.npz").arrays("test", 30)

    assert (ours == next(data.examples("test", 30))[0]).all()


def test_arrays_in_the_models_shape_are_prepared_already_for_a_study_of_files(
    tmp_path: Path,
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 6), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_test=x, y_test=np.arange(4) % 2)
    manifest = {"preprocessing": PIPELINE, "data": {"name": "images"}}

    [(ours, _)] = load_user_examples(manifest, tmp_path / "a.npz").arrays("test", 30)

    assert (ours == x).all()


def test_image_that_gets_another_shape_is_refused(tmp_path: Path) -> None:
    preprocessing = {**PIPELINE, "crop": None, "resize": 8, "shape": [3, 8, 12]}
    photos(tmp_path, "cat", "dog")
    Image.new("RGB", (20, 8)).save(tmp_path / "cat" / "2.png")

    examples = load_user_examples({"preprocessing": preprocessing}, tmp_path)

    with pytest.raises(UserError, match=r"image 2 becomes \[3, 8, 20\] after its resize; the mod"):
        list(examples.arrays("test", 9))


def test_class_names_of_the_model_may_be_in_another_form_of_unicode(tmp_path: Path) -> None:
    manifest = {"preprocessing": {**PIPELINE, "class_names": ["caf\u00e9", "tea"]}}

    examples = load_user_examples(manifest, photos(tmp_path, "cafe\u0301", "tea"))

    [(_, labels)] = examples.arrays("test", 9)

    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
