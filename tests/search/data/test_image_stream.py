"""Images read from files during training."""

from __future__ import annotations

import gc
import multiprocessing
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from paretune.search.data.image_decoding import decode_image
from paretune.search.data.image_preparation import Preparation
from paretune.search.data.image_stream import ImageFiles, ImageStream, RowOrder
from paretune.search.data.images import ImagesData
from paretune.search.errors import UserError

WriteImages = Callable[..., Path]


def make_stream(files: list[Path], **options: int | bool) -> ImageStream:
    """Returns a stream of the files with these data options."""
    params = ImagesData.Params.model_validate({"folder": ".", **options})
    return ImageStream(ImageFiles(files, Preparation()), params)


def children() -> set[int | None]:
    """Returns the child processes that are still running."""
    return {child.pid for child in multiprocessing.active_children()}


@pytest.fixture
def files(write_images: WriteImages) -> list[Path]:
    return sorted(write_images("pictures", "a", rows=7).rglob("*.png"))


def test_image_is_decoded_to_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")

    assert (decode_image(tmp_path / "x.png", Preparation()) == pixels.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [("L", 90, (90, 90, 90)), ("RGBA", (1, 2, 3, 255), (1, 2, 3)), ("1", 1, (255, 255, 255))],
)
def test_image_of_any_mode_becomes_rgb(
    tmp_path: Path, mode: str, colour: object, rgb: tuple[int, ...]
) -> None:
    Image.new(mode, (4, 3), colour).save(tmp_path / "x.png")  # type: ignore[arg-type]

    image = decode_image(tmp_path / "x.png", Preparation())

    assert image.shape == (3, 3, 4)
    assert image[:, 0, 0].tolist() == list(rgb)


def test_image_is_resized_to_height_and_width(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), (10, 20, 30)).save(tmp_path / "x.png")

    image = decode_image(tmp_path / "x.png", Preparation(resize=(2, 6)))

    assert image.shape == (3, 2, 6)
    assert (image == np.array([10, 20, 30])[:, None, None]).all()


def test_batches_follow_the_order(files: list[Path]) -> None:
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    images = ImageFiles(files, Preparation())

    batches = list(make_stream(files).batches(order, 3))

    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert torch.equal(torch.cat(batches), torch.stack([images[int(row)] for row in order]))


def test_workers_are_kept_between_passes_and_end_with_the_stream(files: list[Path]) -> None:
    before = children()
    images, source = ImageFiles(files, Preparation()), make_stream(files, workers=2, prefetch=3)
    seen = []
    for seed in (1, 2, 3):
        order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
        expected = torch.stack([images[int(row)] for row in order])
        assert torch.equal(torch.cat(list(source.batches(order, 2))), expected)
        seen.append(children() - before)
    assert len(seen[0]) == 2
    assert seen[0] == seen[1] == seen[2]
    del source
    gc.collect()
    assert children() == before


def test_unfinished_or_nested_pass_leaves_others_intact(files: list[Path]) -> None:
    images, source = ImageFiles(files, Preparation()), make_stream(files, workers=1)
    order = torch.arange(7)
    expected = torch.stack([images[row] for row in range(7)])
    next(iter(source.batches(order, 2)))
    outer = source.batches(order, 3)
    first = next(outer)
    inner = torch.cat(list(source.batches(order.flip(0), 3)))
    assert torch.equal(inner, expected.flip(0))
    assert torch.equal(torch.cat([first, *outer]), expected)
    assert torch.equal(torch.cat(list(source.batches(order, 2))), expected)


def test_unreadable_file_has_the_same_message_with_and_without_workers(files: list[Path]) -> None:
    files[3].write_bytes(b"no image")
    messages = []
    for workers in (0, 2):
        with pytest.raises(UserError, match=r"cannot be read as an image") as error:
            list(make_stream(files, workers=workers).batches(torch.arange(7), 2))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(str(files[3]))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_pass_draws_nothing_from_the_global_generator(files: list[Path], workers: int) -> None:
    before = torch.get_rng_state()
    list(make_stream(files, workers=workers).batches(torch.arange(7), 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_loader_locks_pages_only_if_there_is_a_gpu(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pass is made: without a GPU, torch cannot lock pages."""
    for available in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        loader = make_stream(files, workers=2, prefetch=5, pin_memory=True)._loader(
            RowOrder(), 2, keep=True
        )
        assert (loader.num_workers, loader.prefetch_factor, loader.pin_memory) == (2, 5, available)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.png: cannot be read as an image: "):
        decode_image(tmp_path / "no.png", Preparation())


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "ppm"])
def test_damaged_image_is_refused_or_read(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"x.{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    content, chance = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(30):
        damaged = bytearray(content)
        damaged[chance.randrange(2, 30)] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice([len(content), len(content) // 2])])
        try:
            assert decode_image(file, Preparation(resize=(8, 8))).shape == (3, 8, 8)
        except UserError as error:
            assert f"x.{ending}: cannot be read as an image: " in str(error)
            refused += 1

    assert refused > 5
