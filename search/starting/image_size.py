"""Chooses the size of images in files, where the data does not say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from paretune.search.data.image_files import ENDINGS

LARGEST = 224
"""Side in pixels that published networks were made for; larger images are reduced to it."""

STEP = 32
"""The chosen side is a multiple of this: networks halve an image up to five times."""

LOOKED_AT = 500
"""Images whose sizes are read."""

SHAPING = ("size", "resize", "crop", "preset")
"""Options of a data set that decide the size of its images."""


def with_image_size(source: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns {"data": data with a size} if images need one; else an empty mapping.

    Args:
        source: The study as plain data.
        folder: Folder of the study file.
    """
    data = source.get("data")
    if not isinstance(data, Mapping) or "images" not in data or set(data) & set(SHAPING):
        return {}
    root = folder / str(data["images"])
    if not root.is_dir():
        return {}
    side = image_side(list(_sizes(root)))
    return {} if side is None else {"data": {**data, "resize": side, "crop": side}}


def image_side(sizes: list[tuple[int, int]]) -> int | None:
    """Returns the side to which images are reduced; None if they can stay as they are.

    Args:
        sizes: (width, height) of each image.
    """
    if not sizes:
        return None
    if len(set(sizes)) == 1 and max(sizes[0]) <= LARGEST:
        return None
    short = min(LARGEST, int(median(min(size) for size in sizes)))
    return max(STEP, short // STEP * STEP)


def _sizes(root: Path) -> Iterator[tuple[int, int]]:
    """Yields (width, height) of some image files below a folder."""
    from PIL import Image

    files = (file for file in sorted(root.rglob("*")) if file.suffix.lower() in ENDINGS)
    for file in islice(files, LOOKED_AT):
        try:
            with Image.open(file) as image:
                yield image.size
        except OSError:  # the loader names a file that cannot be read
            continue
