"""The objective `size`: bytes of the artifact."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject
from paretune.objectives.params import Params as Base

if TYPE_CHECKING:
    from pathlib import Path

LEVEL = 6
"""zlib's own default, which gzip, zip files and application packages use."""

CHUNK = 1 << 20
"""Bytes read at once."""


class Size:
    """Bytes of the deployed file."""

    name = "size"
    unit = "bytes"
    better: Better = "lower"
    cost = 1

    class Params(Base):
        """Options of size."""

        compressed: bool = Field(
            False, description="count the bytes after zlib compression, as in a package or download"
        )

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Returns the file's size; exact.

        Zeros compress to almost nothing, so unstructured pruning shows only with `compressed`.
        """
        value = float(subject.artifact.bytes)
        conditions = {"runtime": subject.runtime.name}
        if params.compressed:
            value = float(_compressed(subject.artifact.path))
            conditions["compressed"] = f"zlib level {LEVEL}"
        return Measurement(Size.name, value, Size.unit, Size.better, value, value, 1, conditions)


def _compressed(path: Path) -> int:
    """Returns the bytes of a file compressed as one stream; the file is read in pieces."""
    stream = zlib.compressobj(LEVEL)
    size = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            size += len(stream.compress(piece))
    return size + len(stream.flush())
