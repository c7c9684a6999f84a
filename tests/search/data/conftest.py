"""Made-up images and texts: small, with the classes in turn, and different in each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from support.text_files import sentences, write_table

Arrays = dict[str, np.ndarray]
WriteNpz = Callable[..., Path]
WriteImages = Callable[..., Path]
LoadNpz = Callable[..., ImageDataset]


def made_up(rows: int, classes: int = 4, seed: int = 0, side: int = 4) -> tuple[Any, Any]:
    """Returns images uint8 [rows, side, side, 3] and labels 0, 1, ..., 0, 1, ..."""
    images = np.random.default_rng(seed).integers(0, 256, (rows, side, side, 3), dtype=np.uint8)
    return images, np.arange(rows) % classes


@pytest.fixture
def arrays() -> Arrays:
    """A training part of 40 images in 4 classes."""
    x, y = made_up(40)
    return {"x_train": x, "y_train": y}


@pytest.fixture
def write_npz(tmp_path: Path) -> WriteNpz:
    """Writes arrays to data.npz in the folder of the test."""

    def write(**arrays: Any) -> Path:
        file = tmp_path / "data.npz"
        np.savez(file, **arrays)
        return file

    return write


@pytest.fixture
def load_npz(write_npz: WriteNpz) -> LoadNpz:
    """Writes arrays and loads them as a data set."""

    def load(seed: int = 0, validation: float = 0.2, **arrays: Any) -> ImageDataset:
        file = write_npz(**arrays)
        data = load_data("npz", {"file": file.name, "validation": validation}, file.parent, seed)
        assert isinstance(data, ImageDataset)
        return data

    return load


@pytest.fixture
def write_images(tmp_path: Path) -> WriteImages:
    """Writes a folder with one subfolder of PNGs per class."""

    def write(
        name: str, classes: Sequence[str] = "ab", rows: int = 10, size: tuple[int, int] = (5, 7)
    ) -> Path:
        folder = tmp_path / name
        for label, one in enumerate(classes):
            (folder / one).mkdir(parents=True)
            for row in range(rows):
                random = np.random.default_rng([label, row])
                pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / one / f"{row:03d}.png")
        return folder

    return write


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of 60 sentences in 2 classes."""
    return write_table(tmp_path / "colours.csv", sentences(60))
