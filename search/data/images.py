"""Image files in one folder per class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from pydantic import Field

from paretune.search.data.class_folders import class_folders, files_by_class, part_folders
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart, count_classes
from paretune.search.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")

MEMORY_SHARE = 0.25
"""Decoded images stay in memory if they take at most this share of it."""


class ImagesData:
    """A folder of images with one subfolder per class, optionally below train/, val/ and test/."""

    primary = "folder"

    class Params(ImageDataParams):
        """Options of images."""

        folder: str = Field(description="path of the folder, relative to the study file")
        size: int | None = Field(
            None,
            ge=1,
            le=4096,
            description="side in pixels of the square that images are resized to; if not given, "
            "all get the size of the first image",
        )

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Returns the parts of the folder; they are decoded if they fit into memory.

        Raises:
            UserError: The folder is missing or empty, or an image cannot be read.
        """
        folder = (base / params.folder).resolve()
        if not folder.is_dir():
            raise UserError(f"data: {folder}: there is no such folder")
        roots = part_folders(folder)
        names = class_folders(roots["train"])
        if not names:
            raise UserError(
                f"data: {roots['train']} has no folders; put each class's images into one"
            )
        name = f"data: {folder.name}"
        parts = {part: _list_files(root, names) for part, root in roots.items()}
        empty = [names[i] for i in range(len(names)) if i not in parts["train"].labels]
        if empty:
            raise UserError(f"data: {roots['train'] / empty[0]} holds no images")
        classes = count_classes(name, parts, len(names))
        size = (params.size, params.size) if params.size else _first_size(parts["train"])
        if _in_memory(params, parts, size):
            parts = {part: _decode(files, size) for part, files in parts.items()}
        return RawData(folder.name, parts, classes, tuple(names), size)


def _list_files(root: Path, names: list[str]) -> RawPart:
    labels, files = files_by_class(root, names, ENDINGS, "images")
    return RawPart(labels, None, files)


def _first_size(part: RawPart) -> tuple[int, int]:
    """Returns (H, W) of the first image; the others are resized to it."""
    from paretune.search.data.image_stream import decode_image

    _, height, width = decode_image(part.files[0], None).shape
    return height, width


def _in_memory(params: ImagesData.Params, parts: dict[str, RawPart], size: tuple[int, int]) -> bool:
    if params.memory != "auto":
        return params.memory == "ram"
    needed = sum(len(part) for part in parts.values()) * 3 * size[0] * size[1]
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return needed <= MEMORY_SHARE * available


def _decode(part: RawPart, size: tuple[int, int]) -> RawPart:
    from paretune.search.data.image_stream import decode_image

    images = np.empty((len(part), 3, *size), dtype=np.uint8)
    for row, file in enumerate(part.files):
        images[row] = decode_image(file, size)
    return RawPart(part.labels, images)
