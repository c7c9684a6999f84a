"""Arrays in a NumPy archive."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import Field

from paretune.search.data.class_folders import PART_NAMES, part_of
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, checked_part, count_classes, notes_of
from paretune.search.errors import UserError

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
)
"""Exceptions that reading a damaged archive raises."""


class NpzData:
    """An .npz file with x_train and y_train; x_val, y_val, x_test and y_test are optional."""

    primary = "file"

    class Params(ImageDataParams):
        """Options of npz."""

        file: str = Field(description="path of the .npz file, relative to the study file")

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Returns the parts of the file.

        Raises:
            UserError: The file is missing or damaged, lacks an array, or its arrays do not fit.
        """
        file = (base / params.file).resolve()
        if not file.is_file():
            raise UserError(f"data: {file}: there is no such file")
        try:
            with file.open("rb") as stream:  # np.load does not close a damaged archive
                archive = np.load(stream, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise UserError(f"data: {file} holds one array; give an .npz archive")
                arrays = {key: archive[key] for key in archive.files}
        except DAMAGED as error:
            raise UserError(f"data: {file} cannot be read as an .npz archive: {error}") from error
        return raw_from_arrays(f"data: {file.name}", arrays)


def raw_from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> RawData:
    """Returns the parts of x_ and y_ arrays: x_train, y_train, x_val, ...

    Args:
        name: Name of the source, for messages.
        arrays: Array name -> array. Other names are ignored.

    Raises:
        UserError: x_train or y_train is missing, a part has only one of the two, or the arrays do
            not fit.
    """
    pairs = _pairs(name, arrays)
    parts = {}
    for part, pair in pairs.items():
        if len(pair) == 1:
            [(axis, key)] = pair.items()
            other = {"x": "y", "y": "x"}[axis]
            raise UserError(f"{name}: the array {other}{key[1:]} is missing")
        parts[part] = checked_part(name, part, arrays[pair["x"]], arrays[pair["y"]])
    if "train" not in parts:
        present = ", ".join(map(str, arrays)) or "none"
        raise UserError(f"{name}: x_train and y_train are missing; arrays found: {present}")
    shapes = {
        part: images.images.shape[1:] for part, images in parts.items() if images.images is not None
    }
    if len(set(shapes.values())) > 1:
        shapes_text = ", ".join(f"{part} {list(shape)}" for part, shape in shapes.items())
        raise UserError(f"{name}: the parts' images differ in shape: {shapes_text}")
    classes = count_classes(name, parts)
    return RawData(name.removeprefix("data: "), parts, classes, notes=notes_of(parts))


def _pairs(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, str]]:
    """Returns part -> {"x": name of its images, "y": name of its labels}; case does not count.

    Raises:
        UserError: Two arrays are the images, or the labels, of the same part.
    """
    pairs: dict[str, dict[str, str]] = {}
    for key in arrays:
        axis, underscore, ending = str(key).lower().partition("_")
        part = part_of(ending)
        if axis not in ("x", "y") or not underscore or part is None:
            continue
        other = pairs.setdefault(part, {}).setdefault(axis, key)
        if other != key:
            raise UserError(f"{name}: {other} and {key} are the same array of {part}; leave one")
    return {part: pairs[part] for part in PART_NAMES if part in pairs}
