"""Folders with one subfolder per class: which files and folders count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset

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
