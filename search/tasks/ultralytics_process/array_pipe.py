"""Sends JSON messages with arrays over a byte stream. Both ends import this file, NumPy alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

_LENGTH = struct.Struct("<Q")

Arrays = dict[str, np.ndarray]


class PipeClosed(Exception):
    """The other end closed the stream."""


def send(stream: BinaryIO, message: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a message: the length of its header, the header as JSON, the bytes of the arrays."""
    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    shapes = [[name, array.dtype.str, list(array.shape)] for name, array in packed.items()]
    header = json.dumps({"message": message, "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(header)))
    stream.write(header)
    for array in packed.values():
        if array.size:
            stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], Arrays]:
    """Reads the next message.

    Raises:
        PipeClosed: The other end is gone.
    """
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    header = json.loads(_read(stream, length))
    arrays: Arrays = {}
    for name, dtype, shape in header["arrays"]:
        array = np.empty(shape, np.dtype(dtype))
        if array.size:
            _fill(stream, array.reshape(-1).view(np.uint8).data)
        arrays[name] = array
    return header["message"], arrays


def _read(stream: BinaryIO, count: int) -> bytes:
    buffer = bytearray(count)
    _fill(stream, memoryview(buffer))
    return bytes(buffer)


def _fill(stream: BinaryIO, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise PipeClosed("the other process closed its pipe")
        filled += count
