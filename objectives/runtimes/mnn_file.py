"""The file of the runtime `mnn`: a .mnn file, with notes in its free text field.

MNN's files are flatbuffers. Two texts of their table are read and written here, by its schema:
https://github.com/alibaba/MNN/blob/master/schema/default/MNN.fbs
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from paretune.objectives.errors import Unmeasurable

NOTES, UUID = 0, 11
"""Fields of the root table: `bizCode`, a text that users set, and `mnn_uuid`, which is random."""


@dataclass(frozen=True)
class MnnNotes:
    """What a session needs to know beside the network.

    Attributes:
        inputs: Names of the inputs in the network's order; MNN may have another one.
        outputs: Name and type of each output, in order. MNN itself returns 64-bit integers and
            booleans as int32.
        float16: Compute floats in 16 bits, where the processor can.
        low_memory: Keep weights of few bits as they are in memory, and round activations to int8.
    """

    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    float16: bool = False
    low_memory: bool = False

    @property
    def text(self) -> str:
        """The notes as MNN's converter takes them."""
        return json.dumps(asdict(self))


def read_notes(path: Path) -> MnnNotes:
    """Returns the notes in a file.

    Raises:
        Unmeasurable: It is no such file.
    """
    try:
        # Mapped, so that `memory` does not count the file twice.
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            begin, end = _text(content, NOTES)
            notes = json.loads(content[begin:end])
        outputs = {str(name): str(kind) for name, kind in notes["outputs"].items()}
        modes = bool(notes["float16"]), bool(notes["low_memory"])
        return MnnNotes(tuple(map(str, notes["inputs"])), outputs, *modes)
    except (OSError, struct.error, ValueError, LookupError, AttributeError, TypeError) as error:
        raise Unmeasurable(
            f"mnn cannot load {path.name}: it is damaged, or Paretune did not write it ({error})"
        ) from error


def settle_uuid(path: Path) -> None:
    """Makes the random identifier of a file a digest of its content: equal networks, equal files.

    Raises:
        Unmeasurable: The file has no such field.
    """
    content = bytearray(path.read_bytes())
    try:
        begin, end = _text(content, UUID)
    except (struct.error, ValueError) as error:
        raise Unmeasurable(f"MNN's converter wrote a file of another form: {error}") from error
    content[begin:end] = bytes(end - begin)
    digest = hashlib.sha256(content).hexdigest()
    content[begin:end] = digest[: end - begin].ljust(end - begin, "0").encode()
    path.write_bytes(content)


def _text(content: mmap.mmap | bytearray, field: int) -> tuple[int, int]:
    """Returns where a text of the root table begins and ends.

    Raises:
        ValueError: The table has no such text.
        struct.error: The file ends before.
    """
    [root] = struct.unpack_from("<I", content, 0)
    table = root - struct.unpack_from("<i", content, root)[0]
    [size] = struct.unpack_from("<H", content, table)
    entry = 4 + 2 * field
    offset = struct.unpack_from("<H", content, table + entry)[0] if entry < size else 0
    if not offset:
        raise ValueError(f"its table has no field {field}")
    text = root + offset + struct.unpack_from("<I", content, root + offset)[0]
    [length] = struct.unpack_from("<I", content, text)
    if text + 4 + length > len(content):
        raise ValueError("it is cut off")
    return text + 4, text + 4 + length
