"""Examples that two parts share, byte for byte, are counted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paretune.search.data import load_data, overlaps
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.overlaps import overlap_notes
from paretune.search.data.raw_data import RawPart
from support.text_files import write_table

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]
WriteImages = Callable[..., Path]


def test_shared_images_are_counted_for_each_pair(load_npz: LoadNpz, arrays: Arrays) -> None:
    x, y = arrays["x_train"], arrays["y_train"]
    new = 255 - x[:8]
    test = np.concatenate([x[:3], new[:4], new[:1]])
    data = load_npz(**arrays, x_val=new, y_val=y[:8], x_test=test, y_test=y[:8])

    assert data.notes[:2] == (
        "3 of 8 test images are also in the training part, byte for byte, so accuracies on them "
        "may be too high.",
        "5 of 8 test images are also in the validation part, byte for byte, so accuracies on them "
        "may be too high.",
    )
    assert data.info()["notes"] == list(data.notes)


def test_single_shared_image_is_named_in_the_singular(load_npz: LoadNpz, arrays: Arrays) -> None:
    x, y = arrays["x_train"], arrays["y_train"]
    new = 255 - x
    new[5] = x[7]
    data = load_npz(**arrays, x_val=new, y_val=y, x_test=128 - new[:4], y_test=y[:4])

    note = data.notes[0]
    assert note.startswith("1 of 40 validation images is also in the training part,")


def test_parts_without_shared_images_have_no_notes(load_npz: LoadNpz, arrays: Arrays) -> None:
    assert load_npz(**arrays).notes == ()
    assert "notes" not in load_npz(**arrays).info()


def test_image_that_occurs_twice_is_found_after_the_split(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    x, y = np.repeat(arrays["x_train"], 2, axis=0), np.repeat(arrays["y_train"], 2)
    data = load_npz(x_train=x, y_train=y)

    assert any(" test images are also in the training part" in note for note in data.notes)


@pytest.mark.parametrize("memory", ["ram", "stream"])
def test_copied_files_are_found(write_images: WriteImages, memory: str) -> None:
    root = write_images("root/train").parent
    write_images("root/val", size=(6, 6))
    (root / "test" / "a").mkdir(parents=True)
    for row in range(2):
        shutil.copy(root / "train" / "a" / f"{row:03d}.png", root / "test" / "a" / f"{row}.png")
    data = load_data("images", {"folder": "root", "memory": memory}, root.parent)

    assert data.info()["streamed"] == (memory == "stream")
    note = data.notes[-1]
    assert note.startswith("2 of 2 test images are also in the training part,")


def test_streamed_files_are_not_read_when_they_are_too_large(
    write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_images("root/train").parent
    shutil.copytree(root / "train", root / "test")
    monkeypatch.setattr(overlaps, "MOST_BYTES", 100)
    data = load_data("images", {"folder": "root", "memory": "stream"}, root.parent)

    assert data.notes == ()


def test_shared_texts_are_counted(tmp_path: Path) -> None:
    rows = [(f"text number {n}", "ab"[n % 2]) for n in range(40)]
    (tmp_path / "texts").mkdir()
    write_table(tmp_path / "texts" / "train.csv", rows)
    write_table(tmp_path / "texts" / "val.csv", [("another", "a"), ("and one", "b")])
    write_table(tmp_path / "texts" / "test.csv", [rows[0], ("something new", "b")])
    data = load_data("text", {"path": "texts"}, tmp_path)

    assert [note.partition(",")[0] for note in data.notes] == [
        "1 of 2 test texts is also in the training part"
    ]


def test_examples_in_two_classes_are_counted(
    load_npz: LoadNpz, arrays: Arrays, tmp_path: Path
) -> None:
    x, y = arrays["x_train"].copy(), arrays["y_train"]
    x[[1, 3]] = x[0]  # of classes 0, 1 and 3
    x[6] = x[5]  # of classes 1 and 2
    other = 255 - arrays["x_train"]
    new = {"x_val": other[:8], "y_val": y[:8], "x_test": other[8:12], "y_test": y[8:12]}
    assert load_npz(x_train=x, y_train=y, **new).notes[-1] == (
        "2 images are in more than one class, byte for byte, so no network can be right there."
    )

    rows = [(f"text number {n // 2 if n < 2 else n}", "ab"[n % 2]) for n in range(40)]
    data = load_data("text", {"path": write_table(tmp_path / "t.csv", rows).name}, tmp_path)

    assert data.notes[-1].startswith("1 text is in more than one class, byte for byte")


def test_examples_that_are_no_images_are_compared_too() -> None:
    inputs = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    targets = np.arange(10, dtype=np.float32)[:, None]
    parts = {
        "train": RawPart(targets, inputs=inputs),
        "validation": RawPart(targets[:3] + 1, inputs=inputs[:3] + 1),
        "test": RawPart(targets[:4], inputs=inputs[:4]),
    }

    [note] = overlap_notes(parts, "values")

    assert note == (
        "4 of 4 test examples are also in the training part, byte for byte, so scores on them may "
        "be too high."
    )
