"""What is special about the pictures of a data set is counted and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset

WriteImages = Callable[..., Path]
SIZE = (7, 5)
"""(W, H) of the pictures that `write_images` writes."""


def load(folder: Path, **options: Any) -> Dataset:
    return load_data("images", {"folder": folder.name, **options}, folder.parent)


def turned(file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE[::-1], (9, 8, 7)).save(file.with_suffix(".jpg"), exif=exif)


def deep(file: Path) -> None:
    Image.fromarray(np.full(SIZE[::-1], 60_000, np.uint16)).save(file)


def narrow(file: Path) -> None:
    Image.fromarray(np.full(SIZE[::-1], 4095, np.uint16)).save(file)


def transparent(file: Path) -> None:
    Image.new("RGBA", SIZE, (9, 8, 7, 6)).save(file)


def animated(file: Path) -> None:
    frames = [Image.new("RGB", SIZE, (n, n, n)) for n in (50, 99)]
    frames[0].save(file.with_suffix(".gif"), save_all=True, append_images=frames[1:])


@pytest.mark.parametrize("memory", ["ram", "stream"])
@pytest.mark.parametrize(
    ("write", "notes"),
    [
        (turned, ["1 image was turned upright, as the EXIF tag says."]),
        (
            deep,
            ["1 image has more than 8 bits for a grey value; they were scaled to 8 bits."],
        ),
        (
            narrow,
            [
                "1 image has more than 8 bits for a grey value; they were scaled to 8 bits.",
                "The 16-bit images use values up to about 4095 of 65535 only, so about 15 grey "
                "values are left in 8 bits; stretch them to the full range and save them again.",
            ],
        ),
        (
            transparent,
            ["1 image has transparency, which is dropped: the colors stored below it are seen."],
        ),
        (animated, ["1 file has several frames; only the first one is read."]),
    ],
)
def test_special_pictures_are_told(
    write_images: WriteImages, write: Callable[[Path], None], notes: list[str], memory: str
) -> None:
    folder = write_images("pictures", "ab", rows=6)
    assert load(folder, memory=memory).notes == ()
    write(folder / "a" / "more.png")

    assert list(load(folder, memory=memory).notes) == notes


def test_photos_of_phones_with_a_preview_have_one_frame(write_images: WriteImages) -> None:
    folder = write_images("pictures", "ab", rows=6)
    frames = [Image.new("RGB", SIZE, (n, n, n)) for n in (50, 99)]
    frames[0].save(
        folder / "a" / "phone.jpg", format="MPO", save_all=True, append_images=frames[1:]
    )

    assert load(folder).notes == ()


def test_upright_size_of_the_first_image_counts(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for row in range(6):
            turned(tmp_path / "pictures" / name / str(row))

    assert load(tmp_path / "pictures").shape == (3, 5, 7)
    assert load(tmp_path / "pictures", exif=False).shape == (3, 7, 5)
    assert (
        load(tmp_path / "pictures", exif=False).notes[:1] != load(tmp_path / "pictures").notes[:1]
    )


@pytest.mark.parametrize("write", [turned, deep])
def test_stream_with_pictures_that_are_read_anew_has_another_fingerprint(
    write_images: WriteImages, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    """Versions before 0.15 read other pixels from these files, so their networks are others."""
    from paretune.search.data.image_headers import HeaderSurvey

    folder = write_images("pictures", "ab", rows=6)
    write(folder / "a" / "more.png")
    now = load(folder, memory="stream").fingerprint
    monkeypatch.setattr(HeaderSurvey, "changed", lambda *_: False)

    assert load(folder, memory="stream").fingerprint != now


OPTIONS: list[dict[str, Any]] = [
    {},
    {"size": 4},
    {"resize": 6, "crop": 4},
    {"resize": 6, "crop": [4, 5]},
    {"resize": 6, "crop": 4, "interpolation": "bicubic"},
    {"resize": [6, 5]},
    {"resize": 6, "crop": 4, "mean": 0.5, "std": 0.5},
    {"resize": 6, "crop": 4, "mean": 0.5, "std": 0.25},
    {"resize": 6, "crop": 4, "color": "L"},
    {"color": "L"},
    {"exif": False},
]


@pytest.mark.parametrize("memory", ["ram", "stream"])
def test_everything_that_changes_the_input_changes_the_fingerprint(
    write_images: WriteImages, memory: str
) -> None:
    folder = write_images("pictures", "ab", rows=6)

    fingerprints = {load(folder, memory=memory, **options).fingerprint for options in OPTIONS}

    assert len(fingerprints) == len(OPTIONS)
    square = load(folder, memory=memory, resize=[4, 4]).fingerprint
    assert square == load(folder, memory=memory, size=4).fingerprint


@pytest.mark.parametrize("options", OPTIONS)
def test_streamed_images_are_those_in_memory(
    write_images: WriteImages, options: dict[str, Any]
) -> None:
    folder = write_images("pictures", "ab", rows=6)
    for write in (turned, deep, transparent, animated):
        write(folder / "a" / f"{write.__name__}.png")
    kept, streamed = (load(folder, memory=memory, **options) for memory in ("ram", "stream"))

    assert kept.preprocessing() == streamed.preprocessing()
    assert kept.notes == streamed.notes
    for part in ("train", "validation", "test"):
        for ours, theirs in zip(kept.examples(part, 5), streamed.examples(part, 5), strict=True):
            assert (ours[0] == theirs[0]).all()
