"""Decodes an image file of any depth and color mode to 8-bit pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from paretune.search.data.file_tree import shown
from paretune.search.data.image_preparation import Preparation, channels_first
from paretune.search.errors import UserError

EXIF_ORIENTATION = 0x0112
TIFF_BITS, TIFF_PHOTOMETRIC = 258, 262

FULL_RANGE = ("PNG", "PPM")
"""Formats whose 32-bit integers are 16-bit samples over the full range."""

UNSUITABLE = "save it as an 8-bit or 16-bit PNG"


def decode_image(file: Path, preparation: Preparation) -> np.ndarray:
    """Returns an image file, prepared, as uint8 [C, H, W].

    Only the first frame is read. Transparency is dropped, as `Image.convert("RGB")` does.

    Raises:
        UserError: The file cannot be read as an image, or its values have no known range.
    """
    return channels_first(preparation.apply(read_image(file, preparation)))


def read_image(file: Path, preparation: Preparation) -> Image.Image:
    """Returns an image file upright and in the preparation's color, in its original size.

    Raises:
        UserError: The file cannot be read as an image, or its values have no known range.
    """
    try:
        with opened(file) as image:
            image.load()
            upright = turned_upright(image) if preparation.exif else image
            return _converted(to_8_bit(upright, image), preparation.color)
    except UnknownRange as error:
        raise UserError(f"{shown(file)}: {error}; {UNSUITABLE}") from error


@contextmanager
def opened(file: Path) -> Iterator[Image.Image]:
    """Opens an image file.

    Raises:
        UserError: The file cannot be read as an image; also for errors while it is open.
    """
    name = shown(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about palettes, EXIF blocks and large images
            # Not by its path: Pillow 13 then maps TIFFs that lie on their side in the wrong width.
            with file.open("rb") as stream, Image.open(stream) as image:
                yield image
    except UnknownRange:
        raise
    except UnidentifiedImageError as error:
        raise UserError(
            f"{name}: cannot be read as an image: it is empty, damaged, or of an unknown format"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{name}: cannot be read as an image: {reason}") from error
    except Exception as error:  # Pillow's readers raise nearly everything on damaged files
        raise UserError(f"{name}: cannot be read as an image: {error}") from error


class UnknownRange(ValueError):
    """The values of an image have no known range or color, so its picture is not known."""


def _converted(image: Image.Image, color: str) -> Image.Image:
    try:
        return image.convert(color)
    except ValueError as error:
        raise UnknownRange(
            f'an image of mode "{image.mode}" has no conversion to {color}'
        ) from error


def turned_upright(image: Image.Image) -> Image.Image:
    """Returns an image turned by its EXIF tag; a damaged EXIF block counts as none."""
    if orientation(image) == 1:
        return image
    return ImageOps.exif_transpose(image)


def orientation(image: Image.Image) -> int:
    """Returns the EXIF tag of the orientation, 1 to 8; 1 is upright."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def is_deep(image: Image.Image) -> bool:
    """Returns whether an image has grey values of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def to_8_bit(image: Image.Image, source: Image.Image) -> Image.Image:
    """Returns an image of more than 8 bits as grey values of 8 bits; others as they are.

    Args:
        image: The image.
        source: The image as it was opened, with the tags of its file.

    Raises:
        UnknownRange: The values of 32-bit integers or floats have no known range.
    """
    if not is_deep(image):
        return image
    values = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(np.rint(_unit_range(values) * 255).astype(np.uint8))
    if image.mode == "I" and source.format not in FULL_RANGE:
        raise UnknownRange(
            f'a {source.format} of mode "I" (32-bit integers, here {values.min()} to '
            f"{values.max()}) has no known range"
        )
    top, inverted = _scale(source)
    grey = (values.astype(np.int64).clip(0, top) * 255 + top // 2) // top
    return Image.fromarray((255 - grey if inverted else grey).astype(np.uint8))


def _unit_range(values: np.ndarray) -> np.ndarray:
    """Returns floats if they lie in [0, 1].

    Raises:
        UnknownRange: They do not, or some are not finite.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite([low, high]).all() and low >= 0 and high <= 1):
        raise UnknownRange(
            f'an image of mode "F" (floats, here {low:g} to {high:g}) must have values from 0 to 1'
        )
    return values


def _scale(source: Image.Image) -> tuple[int, bool]:
    """Returns the largest value of an image of 16-bit integers, and whether it means black.

    Pillow leaves the values of a TIFF as they are: 12 bits stay 12 bits, white may be 0.
    """
    tags = getattr(source, "tag_v2", None)
    if source.format != "TIFF" or tags is None:
        return 2**16 - 1, False
    bits = tags.get(TIFF_BITS, (16,))
    return 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1, not tags.get(
        TIFF_PHOTOMETRIC, 1
    )
