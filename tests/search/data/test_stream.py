"""Images read from files while training."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search.data.images import Images
from search.data.stream import FileImages, decoded, loader
from search.errors import UserError

WriteImages = Callable[..., Path]


@pytest.fixture
def files(write_images: WriteImages) -> list[Path]:
    return sorted(write_images("pictures", "a", rows=7).rglob("*.png"))


def test_image_is_decoded_to_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")

    assert (decoded(tmp_path / "x.png", None) == pixels.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [("L", 90, (90, 90, 90)), ("RGBA", (1, 2, 3, 255), (1, 2, 3)), ("1", 1, (255, 255, 255))],
)
def test_image_of_any_mode_becomes_rgb(
    tmp_path: Path, mode: str, colour: object, rgb: tuple[int, ...]
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / "x.png")  # type: ignore[arg-type]

    found = decoded(tmp_path / "x.png", None)

    assert found.shape == (3, 3, 4)
    assert found[:, 0, 0].tolist() == list(rgb)


def test_image_is_resized_to_height_and_width(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), (10, 20, 30)).save(tmp_path / "x.png")

    found = decoded(tmp_path / "x.png", (2, 6))

    assert found.shape == (3, 2, 6)
    assert (found == np.array([10, 20, 30])[:, None, None]).all()


def test_batches_follow_the_order(files: list[Path]) -> None:
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    images = FileImages(files, None)

    batches = list(loader(images, order, 3, Images.Params(folder=".")))

    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.equal(torch.cat(batches), torch.stack([images[int(row)] for row in order]))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.png: cannot be read as an image: "):
        decoded(tmp_path / "no.png", None)


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "ppm"])
def test_damaged_image_is_refused_or_read(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"x.{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    whole, chance = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[chance.randrange(2, 30)] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice([len(whole), len(whole) // 2])])
        try:
            assert decoded(file, (8, 8)).shape == (3, 8, 8)
        except UserError as error:
            assert f"x.{ending}: cannot be read as an image: " in str(error)
            refused += 1
        except Image.DecompressionBombWarning:
            refused += 1  # a warning outside of tests: the size is the header's to tell

    assert refused > 10
