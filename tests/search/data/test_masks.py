"""Folders of images and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.masks import read_mask
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

SIZE = (6, 8)
Write = Callable[..., Path]


def picture(mask: np.ndarray, seed: int) -> Image.Image:
    """Returns noise that is bright where the mask is 1."""
    noise = np.random.default_rng(seed).integers(0, 100, (*mask.shape, 3), dtype=np.uint8)
    return Image.fromarray(noise + 150 * (mask == 1).astype(np.uint8)[..., None])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes pairs of images and masks to two folders."""

    def written(
        images: str = "images", masks: str = "masks", count: int = 10, high: int = 3,
        change: Any = None, end: str = ".png", size: tuple[int, int] = SIZE,
    ) -> Path:  # fmt: skip
        for folder in (images, masks):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        for row in range(count):
            mask = np.random.default_rng(row).integers(0, high, size).astype(np.uint8)
            mask[0, :high] = range(high)
            picture(mask, row).save(tmp_path / "data" / images / f"{row:02d}.png")
            changed = mask if change is None else change(mask)
            Image.fromarray(changed).save(tmp_path / "data" / masks / f"{row:02d}{end}")
        return tmp_path

    return written


def load(base: Path, task: Mapping[str, Any] | None = None, **options: Any) -> ImageDataset:
    data = load_data(
        "masks", {"folder": "data", **options}, base, task=TaskChoice("segmentation", task or {})
    )
    assert isinstance(data, ImageDataset)
    return data


def agree(data: ImageDataset, part: str) -> bool:
    """Returns whether images are bright exactly where masks are 1."""
    images, masks = (np.concatenate(each) for each in zip(*data.examples(part, 99), strict=True))
    return bool(((images.mean(1) >= 150) == (masks == 1)).all())


def test_images_and_masks_of_one_folder_are_split_at_random(write: Write) -> None:
    data = load(write())

    assert data.info()["sizes"] == {"train": 6, "validation": 2, "test": 2}
    assert data.shape == (3, *SIZE)
    assert data.task.outputs.size == 3
    assert data.task.outputs.per == "pixel"
    assert all(agree(data, part) for part in ("train", "validation", "test"))
    _, masks = next(data.batches("train", 4, seed=1))
    assert masks.dtype == torch.int64
    assert masks.shape == (4, *SIZE)


@pytest.mark.parametrize("layout", ["{part}/{kind}", "{kind}/{part}"])
def test_parts_lie_above_or_below_images_and_masks(write: Write, layout: str) -> None:
    for part, count in (("train", 5), ("val", 3), ("test", 2)):
        names = (layout.format(part=part, kind=kind) for kind in ("images", "masks"))
        base = write(*names, count=count)

    data = load(base)

    assert data.info()["sizes"] == {"train": 5, "validation": 3, "test": 2}
    assert agree(data, "validation")


@pytest.mark.parametrize("end", ["_mask.png", "_label.png", ".tif", ".bmp"])
def test_masks_may_have_another_end(write: Write, end: str) -> None:
    assert agree(load(write(end=end)), "train")


def test_folders_and_classes_may_have_other_names(write: Write) -> None:
    data = load(write("rgb", "truth"), images="rgb", masks="truth", classes=["a", "b", "c", "d"])

    assert data.class_names == ["a", "b", "c", "d"]
    assert data.counts("train")[3] == 0
    assert sum(data.counts("train")) == 6 * SIZE[0] * SIZE[1]


def test_masks_follow_resize_and_crop(write: Write) -> None:
    data = load(write(size=(12, 16)), resize=[6, 8], crop=[4, 4], interpolation="nearest")

    assert data.shape == (3, 4, 4)
    assert agree(data, "train")


def test_streamed_images_have_the_same_masks(write: Write) -> None:
    base = write()
    held, streamed = load(base), load(base, memory="stream")

    assert streamed.info()["streamed"]
    for (x, y), (a, b) in zip(
        held.batches("train", 4, seed=2), streamed.batches("train", 4, seed=2), strict=True
    ):
        assert torch.equal(x, a)
        assert torch.equal(y, b)


def test_black_and_white_masks_have_two_classes(write: Write) -> None:
    data = load(write(high=2, change=lambda mask: mask * np.uint8(255)))

    assert data.task.outputs.size == 2
    assert agree(data, "train")
    assert "The masks are black and white; white is class 1." in data.notes


def test_ignored_pixels_are_no_class(write: Write) -> None:
    base = write(change=lambda mask: np.where(mask == 2, 255, mask).astype(np.uint8))

    data = load(base, {"ignore": 255})

    assert data.task.outputs.size == 2
    assert 255 in next(data.batches("train", 4))[1]
    assert sum(data.counts("train")) < 6 * SIZE[0] * SIZE[1]
    message = r"no pixels of class 2, 3, .* go up to 255; .* {segmentation: {ignore: 255}}"
    with pytest.raises(UserError, match=message):
        load(base)


def test_crop_beyond_the_image_needs_a_value_for_pixels_without_a_class(write: Write) -> None:
    base = write()

    with pytest.raises(UserError, match=r"00.png: the crop of 8 x 8 is larger than the image"):
        load(base, crop=8)
    assert load(base, {"ignore": 3}, crop=8).shape == (3, 8, 8)


def test_masks_with_palettes_sixteen_bits_and_two_colors_are_read(tmp_path: Path) -> None:
    values = np.array([[0, 1], [2, 1]], dtype=np.uint8)
    palette = Image.fromarray(values, "L").convert("P")
    palette.putdata(values.ravel().tolist())
    palette.save(tmp_path / "p.png")
    Image.fromarray(values.astype(np.uint16) * 200).save(tmp_path / "deep.png")
    Image.fromarray(values > 0).save(tmp_path / "bits.png")

    assert read_mask(tmp_path / "p.png").tolist() == values.tolist()
    assert read_mask(tmp_path / "deep.png").tolist() == (values.astype(int) * 200).tolist()
    assert read_mask(tmp_path / "deep.png").dtype == np.int64
    assert read_mask(tmp_path / "bits.png").tolist() == (values > 0).astype(int).tolist()


def test_fingerprint_follows_the_masks(write: Write) -> None:
    first = load(write()).fingerprint

    assert load(write(change=lambda mask: mask[:, ::-1].copy())).fingerprint != first


def remove(path: str) -> Callable[[Path], Any]:
    return lambda base: (base / "data" / path).unlink()


def replace(path: str, pixels: np.ndarray) -> Callable[[Path], Any]:
    return lambda base: Image.fromarray(pixels).save(base / "data" / path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("masks/03.png"), r"03.png without a mask in .*masks; name it 03.png"),
        (replace("masks/03.png", np.zeros((6, 7), np.uint8)),
         r"03.png: the mask has 6 x 7 pixels, but its image 03.png 6 x 8"),
        (replace("masks/03.png", np.zeros((6, 8, 3), np.uint8)),
         r"03.png: the mask has mode RGB; save one number for each pixel"),
        (replace("images/03.png", np.zeros((5, 8, 3), np.uint8)),
         r"the images differ in size: .*00.png has 6 x 8 and .*03.png 5 x 8; give resize"),
        (lambda base: (base / "data/masks/03.png").write_bytes(b"x"), r"03.png: cannot be read"),
        (lambda base: [f.unlink() for f in (base / "data/images").iterdir()], r"holds no images"),
    ],
)  # fmt: skip
def test_files_are_refused_with_the_reason(write: Write, change: Any, message: str) -> None:
    base = write()
    change(base)

    with pytest.raises(UserError, match=message):
        load(base)


def test_value_beyond_the_classes_names_the_file(write: Write) -> None:
    base = write("train/images", "train/masks")
    write("val/images", "val/masks", count=3)
    replace("val/masks/01.png", np.full(SIZE, 7, np.uint8))(base)

    message = r"01.png: the mask has the value 7, but the classes are 0 to 2; .*{ignore: 7}"
    with pytest.raises(UserError, match=message):
        load(base)
    with pytest.raises(UserError, match=r"00.png: the mask has the value 2, but the classes are 0"):
        load(base, classes=["a", "b"])


def test_folder_without_masks_is_refused(write: Write, tmp_path: Path) -> None:
    base = write("images", "truth")

    message = r"there is no folder .*masks; .* name yours with images: and masks:. .* has images"
    with pytest.raises(UserError, match=message):
        load(base)
    with pytest.raises(UserError, match="there is no such folder"):
        load(tmp_path, folder="nothing")


def test_other_files_are_counted(write: Write) -> None:
    base = write()
    (base / "data/images/notes.txt").write_text("x")
    replace("masks/99.png", np.zeros(SIZE, np.uint8))(base)

    assert load(base).notes == ("Skipped 1 file: 1 .txt.", "1 mask has no image.")
