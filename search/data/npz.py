"""Arrays in a NumPy archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from paretune.search.data.array_parts import raw_from_arrays
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import RawData
from paretune.search.data.targets import EVERY_KIND, TargetsWanted
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
    holds = "any"
    reads: ClassVar = EVERY_KIND

    class Params(ArrayDataParams):
        """Options of npz."""

        file: str = Field(description="path of the .npz file, relative to the study file")

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted) -> RawData:
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
        return raw_from_arrays(f"data: {file.name}", arrays, params, wanted)
