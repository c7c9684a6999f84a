"""Image files of a data set: endings, common size, and whether they are kept decoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paretune.search.data.file_tree import shown
from paretune.search.data.memory import keeps_in_memory
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawPart
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.image_headers import HeaderSurvey
    from paretune.search.data.image_preparation import Preparation

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"),
    *(".jfif", ".jpe", ".pbm"),
)
"""Endings of image files, in lower case."""


def refuse_different_sizes(survey: HeaderSurvey, files: Iterable[Path]) -> None:
    """Refuses images that differ in size after their preparation.

    Raises:
        UserError: They do; the text names two of them.
    """
    preparation = survey.preparation
    sizes: dict[tuple[int, int], Path] = {}
    for file in files:
        sizes.setdefault(preparation.size(*survey.headers[file].size), file)
    if len(sizes) < 2:
        return
    (one, first), (two, second) = list(sizes.items())[:2]
    if preparation.resize is None:
        raise UserError(
            f"data: the images differ in size: {shown(first)} has {one[0]} x {one[1]} and "
            f"{shown(second)} {two[0]} x {two[1]}; give resize: [HEIGHT, WIDTH], or resize and crop"
        )
    raise UserError(
        f"data: resize: {preparation.resize} keeps the aspect ratio, and the images then differ in "
        f"size: {shown(first)} becomes {one[0]} x {one[1]} and {shown(second)} {two[0]} x "
        f"{two[1]}; give crop: {preparation.resize} too, or resize: [HEIGHT, WIDTH]"
    )


def decoded(
    params: ImageDataParams,
    parts: Mapping[str, RawPart],
    preparation: Preparation,
    survey: HeaderSurvey,
) -> dict[str, RawPart]:
    """Returns parts of files with their images in memory, if they fit; else as they are.

    Args:
        params: Options of the data set.
        parts: Parts of image files.
        preparation: How images become pixels; it gives all the same size.
        survey: Headers of the files.

    Raises:
        UserError: A file cannot be read as an image.
    """
    height, width = preparation.size(*next(iter(survey.headers.values())).size)
    images = sum(len(part) for part in parts.values())
    if not keeps_in_memory(params.memory, images * preparation.channels * height * width):
        return dict(parts)
    return {name: _decoded(part, preparation) for name, part in parts.items()}


def _decoded(part: RawPart, preparation: Preparation) -> RawPart:
    from paretune.search.data.image_decoding import decode_image

    images: np.ndarray | None = None
    for row, file in enumerate(part.files):
        image = decode_image(file, preparation)
        if images is None:
            images = np.empty((len(part), *image.shape), dtype=np.uint8)
        images[row] = image
    assert images is not None  # a part has images
    return replace(part, images=images, files=())
