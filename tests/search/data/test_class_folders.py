"""Folders with one subfolder per class: which files and folders count."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset
from paretune.search.errors import UserError

WriteImages = Callable[..., Path]


def load(folder: Path) -> Dataset:
    return load_data("images", {"folder": folder.name}, folder.parent)


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_existing_parts_are_kept(write_images: WriteImages, name: str) -> None:
    write_images("pictures/train", "ab", rows=6)
    write_images(f"pictures/{name}", "ab", rows=3)
    folder = write_images("pictures/test", "b", rows=2).parent

    data = load(folder)

    assert data.info()["sizes"] == {"train": 12, "validation": 6, "test": 2}
    assert np.concatenate([labels for _, labels in data.arrays("test", 7)]).tolist() == [1, 1]


def test_other_files_and_hidden_folders_are_ignored(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=5)
    (folder / "a" / "notes.txt").write_text("no image")
    (folder / "README.md").write_text("no folder")
    (folder / ".ipynb_checkpoints").mkdir()

    assert load(folder).classes == 2


def test_files_in_subfolders_of_a_class_belong_to_it(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=4)
    (folder / "a" / "more").mkdir()
    Image.new("RGB", (7, 5)).save(folder / "a" / "more" / "x.png")

    assert sum(load(folder).info()["sizes"].values()) == 9


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("Train", "Val", "Test"),
        ("training", "valid", "testing"),
        ("TRAINING", "DEV", "Testing"),
        ("train", "Validation", "TEST"),
    ],
)
def test_parts_are_known_by_their_usual_names(
    write_images: WriteImages, train: str, validation: str, test: str
) -> None:
    write_images(f"pictures/{train}", "ab", rows=6)
    write_images(f"pictures/{validation}", "ab", rows=3)
    folder = write_images(f"pictures/{test}", "ab", rows=2).parent

    assert load(folder).info()["sizes"] == {"train": 12, "validation": 6, "test": 4}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Train", "training"), "has two train parts, Train and training; leave one"),
        (("train", "val", "validation"), "has two validation parts, val and validation; leave one"),
        (("train", "dev", "Valid"), "has two validation parts, Valid and dev; leave one"),
    ],
)
def test_two_folders_for_one_part_are_refused(
    write_images: WriteImages, names: tuple[str, ...], message: str
) -> None:
    folders = [write_images(f"pictures/{name}") for name in names]

    with pytest.raises(UserError) as error:
        load(folders[0].parent)

    assert str(error.value) == f"data: {folders[0].parent} {message}"


def test_what_systems_leave_behind_is_nowhere(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=6)
    clean = load(folder).fingerprint
    picture = (folder / "a" / "000.png").read_bytes()
    for junk in (
        *("a/.ipynb_checkpoints/000.png", ".ipynb_checkpoints/x.png", "a/._000.png", ".a/x.png"),
        *("__MACOSX/a/x.png", "a/__MACOSX/x.png", "@eaDir/x.png", "$RECYCLE.BIN/x.png"),
        *("a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", "System Volume Information/x.png"),
    ):
        file = folder / junk
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)

    data = load(folder)

    assert data.fingerprint == clean
    assert data.class_names == ["a", "b"]
    assert data.notes == ()


def test_skipped_files_and_folders_are_counted(write_images: WriteImages) -> None:
    write_images("pictures/val", "ab", rows=2)
    write_images("pictures/extra", "ab", rows=2)
    folder = write_images("pictures/train", "ab", rows=6).parent
    for name in ("a/x.heic", "b/y.HEIC", "a/z.JFIF", "a/notes.txt", "a/LICENSE"):
        (folder / "train" / name).write_text("no image")
    Image.new("RGB", (7, 5)).save(folder / "train" / "stray.png")
    Image.new("RGB", (7, 5)).save(folder / "stray.JPG")
    (folder / "README.md").write_text("Photos")

    assert load(folder).notes[:3] == (
        "Skipped 5 files: 2 .heic, 1 .jfif, 1 .txt, 1 without an ending.",
        "Skipped 2 images beside the folders of the classes.",
        "Skipped folders that are no part of the data: extra.",
    )


@pytest.mark.parametrize("name", ["x.JPG", "x.jfif", "x.Jpe", "x.PNG", "x.pbm"])
def test_endings_are_read_in_any_case(write_images: WriteImages, name: str) -> None:
    folder = write_images("pictures", "ab", rows=6)
    kind = "PPM" if name.endswith("pbm") else "PNG" if name.endswith("PNG") else "JPEG"
    Image.new("1" if kind == "PPM" else "RGB", (7, 5)).save(folder / "a" / name, format=kind)

    assert sum(load(folder).info()["sizes"].values()) == 13


NESTED: dict[str, tuple[tuple[str, ...], str]] = {
    "images and masks": (
        ("images/cat", "images/dog", "masks/cat", "masks/dog"),
        "{folder}/images is no class: it holds no images itself, but folders of them (cat, dog); "
        "if they are the classes, give {folder}/images as the folder; if it is one class, put",
    ),
    "other names of parts": (
        ("train_set/cat", "train_set/dog", "test_set/cat", "test_set/dog"),
        "{folder}/test_set is no class: it holds no images itself, but folders of them (cat, dog)",
    ),
    "parts below a folder": (
        ("set/train/cat", "set/train/dog", "set/test/cat", "set/test/dog", "b/x"),
        "{folder}/set is no class: it holds no images itself, but folders of them (test, train); "
        "if they are parts of the data, give {folder}/set as the folder, or put the parts above ",
    ),
    "no training part": (
        ("val/cat", "val/dog", "test/cat", "test/dog"),
        "{folder}/test is no class: it holds no images itself, but folders of them (cat, dog); as "
        "it is a part of the data, name the folder of the training part {folder}/train",
    ),
    "in a part": (
        ("train/a/cat", "train/a/dog", "train/b/cat", "train/b/dog"),
        "{folder}/train/a is no class: it holds no images itself, but folders of them (cat, dog)",
    ),
}


@pytest.mark.parametrize("case", NESTED)
def test_folders_of_folders_are_no_classes(tmp_path: Path, case: str) -> None:
    names, message = NESTED[case]
    folder = tmp_path / "pictures"
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for row in range(4):
            Image.new("L", (4, 4), 9 * number + row).save(folder / name / f"{row}.png")

    with pytest.raises(UserError) as error:
        load(folder)

    assert str(error.value).startswith(f"data: {message.format(folder=folder)}")


def test_one_folder_below_a_class_belongs_to_it(write_images: WriteImages) -> None:
    """As in Tiny ImageNet: train/n01443537/images/."""
    for name in ("n01", "n02"):
        folder = write_images(f"pictures/train/{name}", ("images",), rows=6)
        (folder / "boxes.txt").write_text("0 0 9 9")

    data = load(folder.parent.parent)

    assert data.class_names == ["n01", "n02"]
    assert data.notes[0] == "Skipped 2 files: 2 .txt."


def test_links_are_followed_but_not_in_circles(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=6)
    elsewhere = write_images("elsewhere", "x", rows=3)
    (folder / "a" / "more").symlink_to(elsewhere / "x")
    (folder / "a" / "loop").symlink_to(folder / "a")
    (folder / "b" / "up").symlink_to(folder)
    (folder / "b" / "itself").symlink_to(folder / "b" / "itself")

    data = load(folder)

    assert data.classes == 2
    assert sum(data.info()["sizes"].values()) == 15


def test_unreadable_folder_is_named(
    write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, so the system's answer is made up."""
    folder = write_images("pictures", "ab", rows=6)
    listdir = os.listdir

    def refuse(path: Any) -> list[str]:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(UserError, match=r"pictures/b cannot be read: Permission denied"):
        load(folder)


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_class_names_are_the_same_in_both_forms_of_unicode(write_images: WriteImages) -> None:
    write_images("pictures/train", ("tea", NFD), rows=6)
    folder = write_images("pictures/test", ("tea", NFC), rows=2).parent

    data = load(folder)

    assert data.class_names == [NFC, "tea"]
    assert data.size("test") == 4


def test_folders_with_the_same_name_in_two_forms_are_one_class(write_images: WriteImages) -> None:
    folder = write_images("pictures", ("tea", NFC), rows=6)
    (folder / NFD).mkdir()
    if len(list(folder.iterdir())) == 2:
        pytest.skip("this file system normalizes names")
    Image.new("RGB", (7, 5)).save(folder / NFD / "x.png")

    data = load(folder)

    assert data.class_names == [NFC, "tea"]
    assert sum(data.info()["sizes"].values()) == 13


def test_class_in_another_case_is_refused_with_a_hint(write_images: WriteImages) -> None:
    write_images("pictures/train", ("Cat", "Dog"), rows=6)
    folder = write_images("pictures/test", ("cat", "Dog"), rows=2).parent

    with pytest.raises(UserError, match=r'training part lacks: cat; did you mean "Cat"\?'):
        load(folder)


@pytest.mark.parametrize("memory", ["ram", "stream"])
def test_file_names_may_have_any_bytes(write_images: WriteImages, memory: str) -> None:
    folder = write_images("pictures", "ab", rows=6)
    name = os.fsencode(folder / "a") + b"/x\xff.png"
    Path(os.fsdecode(name)).write_bytes((folder / "a" / "000.png").read_bytes())

    data = load_data("images", {"folder": "pictures", "memory": memory}, folder.parent)

    assert sum(data.info()["sizes"].values()) == 13
    Path(os.fsdecode(name)).write_bytes(b"")
    with pytest.raises(UserError, match=r"x\\xff\.png: cannot be read as an image"):
        load(folder)


def test_class_name_that_is_no_text_is_refused(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=6)
    os.mkdir(os.fsencode(folder) + b"/x\xff")

    with pytest.raises(UserError, match=r"x\\xff: the name of this class is not valid text"):
        load(folder)
