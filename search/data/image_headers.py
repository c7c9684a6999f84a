"""Looks at the headers of image files: sizes, and what is special about their pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from paretune.search.data.image_decoding import is_deep, opened, orientation
from paretune.search.data.image_preparation import Preparation
from paretune.search.errors import UserError

TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
ANIMATED = ("GIF", "TIFF", "WEBP", "PNG")
"""Formats whose further frames are pictures. Those of MPO, in photos of phones, are previews."""

NARROW = 2**12
"""16-bit images with smaller values only are likely those of a 12-bit camera."""

SAMPLE = 16
"""16-bit images that are decoded, to learn how bright they are."""


@dataclass(frozen=True)
class Header:
    """Facts from the header of an image file.

    Attributes:
        size: (H, W) of the picture, upright.
        turned: Whether the EXIF tag turns it.
        deep: Whether it has grey values of more than 8 bits.
        transparent: Whether it has transparency.
        frames: Whether it has more than one frame.
    """

    size: tuple[int, int]
    turned: bool
    deep: bool
    transparent: bool
    frames: bool

    @property
    def changed(self) -> bool:
        """Whether versions before 0.15 read other pixels from the file."""
        return self.turned or self.deep


def read_header(file: Path, preparation: Preparation) -> Header:
    """Reads the header of an image file.

    Raises:
        UserError: The file cannot be read as an image.
    """
    with opened(file) as image:
        return _header(image, preparation)


def _header(image: Image.Image, preparation: Preparation) -> Header:
    # Pillow turns a TIFF when it decodes it, and gives the size after that.
    tagged = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
    value = orientation(image) if preparation.exif and tagged else 1
    size = (image.width, image.height) if value >= 5 else (image.height, image.width)
    return Header(
        size,
        value != 1,
        is_deep(image),
        image.mode in TRANSPARENT or "transparency" in image.info,
        image.format in ANIMATED and bool(getattr(image, "is_animated", False)),
    )


class HeaderSurvey:
    """What is special about the pictures of a data set.

    Args:
        files: Files of all parts, the training part first.
        preparation: How images become pixels.

    Raises:
        UserError: A file cannot be read as an image.
    """

    def __init__(self, files: Iterable[Path], preparation: Preparation) -> None:
        self.preparation = preparation
        self.headers = {file: read_header(file, preparation) for file in files}

    @property
    def sizes(self) -> Counter[tuple[int, int]]:
        """(H, W) -> number of images."""
        return Counter(header.size for header in self.headers.values())

    def changed(self, file: Path) -> bool:
        """Returns whether versions before 0.15 read other pixels from a file."""
        return file in self.headers and self.headers[file].changed

    def notes(self) -> Iterator[str]:
        """Yields a sentence for each thing that may surprise."""
        headers = self.headers.values()
        yield from _counted(
            sum(h.turned for h in headers), "image was turned", "images were turned",
            "upright, as the EXIF tag says.",
        )  # fmt: skip
        yield from _counted(
            sum(h.deep for h in headers), "image has", "images have",
            "more than 8 bits for a grey value; they were scaled to 8 bits.",
        )  # fmt: skip
        yield from self._narrow()
        yield from _counted(
            sum(h.transparent for h in headers), "image has", "images have",
            "transparency, which is dropped: the colors stored below it are seen.",
        )  # fmt: skip
        yield from _counted(
            sum(h.frames for h in headers), "file has", "files have",
            "several frames; only the first one is read.",
        )  # fmt: skip
        yield from self._padded()

    def _narrow(self) -> Iterator[str]:
        deep = [file for file, header in self.headers.items() if header.deep][:SAMPLE]
        tops = [_top(file) for file in deep]
        if tops and 0 < max(tops) < NARROW:
            yield (
                f"The 16-bit images use values up to about {max(tops):.0f} of 65535 only, so "
                f"about {max(1, int(max(tops)) // 257)} grey values are left in 8 bits; stretch "
                "them to the full range and save them again."
            )

    def _padded(self) -> Iterator[str]:
        preparation = self.preparation
        if preparation.crop is None:
            return
        height, width = preparation.crop
        small = sum(
            count
            for size, count in self.sizes.items()
            if preparation.resized(*size)[0] < height or preparation.resized(*size)[1] < width
        )
        yield from _counted(
            small, "image is smaller", "images are smaller",
            f"than the crop of {height} x {width}; black was added at the edges.",
        )  # fmt: skip


def _top(file: Path) -> float:
    """Returns the largest value of a 16-bit image; 0 for floats and for a file that is damaged."""
    try:
        with opened(file) as image:
            return 0.0 if image.mode == "F" else float(np.asarray(image).max())
    except UserError:  # it is raised again when the image is decoded
        return 0.0


def _counted(count: int, one: str, several: str, rest: str) -> Iterator[str]:
    if count:
        yield f"{count} {one if count == 1 else several} {rest}"
