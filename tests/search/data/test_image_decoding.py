"""Image files of every depth and color: the same picture as in 8 bit, upright, or a refusal."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from paretune.search.data.image_decoding import decode_image
from paretune.search.data.image_headers import read_header
from paretune.search.data.image_preparation import Preparation
from paretune.search.errors import UserError

GREY = np.random.default_rng(0).integers(0, 256, (6, 9), dtype=np.uint8)
COLORS = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def decoded(file: Path, preparation: Preparation | None = None) -> np.ndarray:
    """Returns the pixels [C, H, W] as integers that can be subtracted."""
    return decode_image(file, preparation or Preparation()).astype(int)


def deep(file: Path) -> Path:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(file)
    return file


def big_endian(file: Path) -> Path:
    Image.fromarray((GREY.astype(np.uint16) * 257).astype(">u2")).save(file)
    return file


def white_is_zero(file: Path) -> Path:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[262] = 0
    Image.fromarray((255 - GREY).astype(np.uint16) * 257).save(file, tiffinfo=info)
    return file


def floats(file: Path) -> Path:
    Image.fromarray((GREY / 255).astype(np.float32)).save(file)
    return file


def twelve_bits(file: Path) -> Path:
    """Pillow cannot write 12 bits: two values in three bytes, most significant bits first."""
    values = (GREY.astype(int)[:, :8] * 4095 + 127) // 255
    rows = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
        for row in values
        for a, b in zip(row[::2], row[1::2], strict=True)
    )
    tags = {256: 8, 257: 6, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 6, 279: len(rows)}
    entries = b"".join(
        number.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
        for number, value in tags.items()
    )
    header = b"II*\0" + (8 + len(rows)).to_bytes(4, "little")
    directory = len(tags).to_bytes(2, "little") + entries + bytes(4)
    file.write_bytes(header + rows + directory)
    return file


@pytest.mark.parametrize(
    ("write", "ending"),
    [
        (deep, "png"),
        (deep, "tif"),
        (deep, "pgm"),
        (big_endian, "tif"),
        (white_is_zero, "tif"),
        (floats, "tif"),
        (twelve_bits, "tif"),
    ],
)
@pytest.mark.parametrize("color", ["RGB", "L"])
def test_deep_grey_values_give_the_picture_of_8_bits(
    tmp_path: Path, write: Callable[[Path], Path], ending: str, color: str
) -> None:
    file = write(tmp_path / f"x.{ending}")

    pixels = decoded(file, Preparation(color))  # type: ignore[arg-type]

    assert np.abs(pixels - GREY[:, : pixels.shape[2]]).max() <= 1
    assert pixels.shape[0] == len(color)


def test_colors_of_16_bits_give_the_picture_of_8_bits(tmp_path: Path) -> None:
    """Pillow cannot write them: chunks of a PNG."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        digest = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + digest

    rows = b"".join(b"\0" + row.tobytes() for row in (COLORS.astype(np.uint16) * 257).astype(">u2"))
    header = struct.pack(">IIBBBBB", 9, 6, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)

    assert (decoded(tmp_path / "x.png") == COLORS.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            GREY.astype(np.int32) * 257,
            r'a TIFF of mode "I" \(32-bit integers, here \d+ to \d+\) has',
        ),
        (GREY.astype(np.int16) - 128, r'a TIFF of mode "I"'),
        (GREY.astype(np.float32), r'an image of mode "F" \(floats, here \d+ to \d+\) must have'),
        (GREY / np.float32(255) - 1, r'an image of mode "F" \(floats, here -\d'),
        (np.full((4, 4), np.nan, np.float32), r'an image of mode "F" \(floats, here nan to nan\)'),
    ],
)
def test_values_without_a_known_range_are_refused(
    tmp_path: Path, values: np.ndarray, message: str
) -> None:
    Image.fromarray(values.astype(np.int32) if values.dtype.kind == "i" else values).save(
        tmp_path / "x.tif"
    )

    with pytest.raises(UserError, match=rf"x\.tif: {message}.*; save it as an 8-bit or 16-bit PNG"):
        decoded(tmp_path / "x.tif")


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_colors_of_other_spaces_are_converted(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (5, 4), (200, 40, 30)).convert(mode)
    image.save(tmp_path / "x.tif")

    assert np.abs(decoded(tmp_path / "x.tif")[:, 1, 1] - (200, 40, 30)).max() <= 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK"])
def test_other_modes_are_read_as_torchvisions_loader_does(tmp_path: Path, mode: str) -> None:
    from torchvision.datasets.folder import pil_loader

    image = Image.fromarray(COLORS).convert(mode)
    file = tmp_path / f"x.{'jpg' if mode == 'CMYK' else 'png'}"
    if mode == "P":
        image.save(file, transparency=bytes(range(256)))
    elif mode == "RGBA":
        image.putalpha(Image.fromarray(GREY))
        image.save(file)
    else:
        image.save(file)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow advises against this
        expected = np.asarray(pil_loader(str(file)))
    assert (decoded(file) == expected.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_photo_is_upright_by_its_tag(tmp_path: Path, tag: int, ending: str) -> None:
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:, :8, 0], upright[:4, 8:, 2] = 255, 255
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    image = Image.fromarray(upright)
    if tag > 1:
        image = image.transpose(Image.Transpose(undo[tag]))
    exif = Image.Exif()
    exif[0x0112] = tag
    options = {"quality": 100} if ending in ("jpg", "webp") else {}
    if ending == "webp":
        options = {"lossless": True}
    image.save(tmp_path / f"x.{ending}", exif=exif, **options)

    pixels = decoded(tmp_path / f"x.{ending}")

    assert pixels.shape == (3, 8, 16)
    assert np.abs(pixels[:, 2, 2] - (255, 0, 0)).max() < 30
    assert np.abs(pixels[:, 1, -3] - (0, 0, 255)).max() < 30
    if ending != "tif":  # Pillow itself turns a TIFF
        assert decoded(tmp_path / f"x.{ending}", Preparation(exif=False)).shape == (
            (3, 16, 8) if tag >= 5 else (3, 8, 16)
        )


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, ">u2"])
def test_grey_image_is_upright_by_its_tag(
    tmp_path: Path, kind: str, ending: str, compression: str | None, tag: int
) -> None:
    """Pillow 13 maps a TIFF without compression in the wrong width if it is opened by its path."""
    values = (GREY.astype(int) * (1 if kind == np.uint8 else 257)).astype(kind)
    exif = Image.Exif()
    exif[0x0112] = tag
    options = {} if ending == "png" else {"compression": compression}
    Image.fromarray(values).save(tmp_path / f"x.{ending}", exif=exif, **options)
    turns = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY, -1),
        7: np.rot90(GREY, 2).T,
        8: np.rot90(GREY),
    }

    assert (decoded(tmp_path / f"x.{ending}", Preparation("L")) == turns[tag]).all()
    header = read_header(tmp_path / f"x.{ending}", Preparation("L"))
    assert header.size == turns[tag].shape


def test_damaged_exif_block_counts_as_none(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "x.png", exif=b"Exif\0\0no such block")

    assert (decoded(tmp_path / "x.png") == COLORS.transpose(2, 0, 1)).all()


def test_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (5, 4), color) for color in ("red", "blue")]
    for ending in ("gif", "tif", "webp", "png"):
        frames[0].save(tmp_path / f"x.{ending}", save_all=True, append_images=frames[1:])

        pixels = decoded(tmp_path / f"x.{ending}")

        assert np.abs(pixels[:, 0, 0] - (255, 0, 0)).max() < 5
