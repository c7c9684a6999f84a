"""Files and arrays on a device, by the digest of their content."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.devices.errors import DeviceRefused, MissingFile
from paretune.objectives.devices.link import Link

if TYPE_CHECKING:
    import numpy as np

CHUNK = 1 << 16


@dataclass(frozen=True)
class ArrayFile:
    """An array as a .npy file.

    Attributes:
        name: Name of the file on a device.
        content: The file.
    """

    name: str
    content: bytes


def array_file(array: np.ndarray) -> ArrayFile:
    """Returns an array as a file."""
    import numpy as np

    target = io.BytesIO()
    np.save(target, np.ascontiguousarray(array), allow_pickle=False)
    content = target.getvalue()
    return ArrayFile(hashlib.sha256(content).hexdigest() + ".npy", content)


def digest_of(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class DeviceFiles:
    """The files on a device that a link leads to."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._there: set[str] = set()

    @staticmethod
    def name(digest: str, path: Path) -> str:
        """Returns a file's name on the device: its digest, and the suffixes that runtimes need."""
        return digest + "".join(path.suffixes[-2:] if path.suffix == ".zip" else path.suffixes[-1:])

    def put(self, files: Sequence[tuple[str, Path]]) -> int:
        """Sends the files (digest, path) that the device lacks; returns the bytes that were sent.

        Raises:
            DeviceRefused: There is no room for them, or a file changed since its digest was taken.
        """
        names = {self.name(digest, path): path for digest, path in files}
        sent = 0
        for name in self._missing(list(names)):
            path = names[name]
            size = path.stat().st_size
            if digest_of(path) != name.partition(".")[0]:
                raise DeviceRefused(f"{path} has another content than when it was made")
            self._send(name, _chunks(path), size)
            sent += size
        return sent

    def put_arrays(self, arrays: Sequence[np.ndarray]) -> list[str]:
        """Sends the arrays that the device lacks; returns their names there."""
        files = [array_file(array) for array in arrays]
        contents = {file.name: file.content for file in files}
        for name in self._missing(list(contents)):
            self._send(name, [contents[name]], len(contents[name]))
        return [file.name for file in files]

    def run(self, batch: Sequence[np.ndarray], keep: bool) -> np.ndarray | tuple[np.ndarray, ...]:
        """Returns the outputs of the open network for a batch.

        Args:
            batch: An array for each input.
            keep: Keep the arrays on the device.
        """
        import numpy as np

        if keep:
            names = self.put_arrays(batch)
            try:
                answer = self._link.ask("run", {"names": names})
            except MissingFile as error:
                self.forget(str(error))
                return self.run(batch, keep=False)
        else:
            arrays = [np.ascontiguousarray(array) for array in batch]
            forms = [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays]
            parts = [array.tobytes() for array in arrays]
            request = {"names": [], "arrays": forms}
            answer = self._link.ask("run", request, parts, sum(map(len, parts)))
        outputs = _arrays(answer["arrays"], answer.data)
        return outputs[0] if len(outputs) == 1 else outputs

    def forget(self, name: str) -> None:
        """Asks for a file again before it is used, because the device has lost it."""
        self._there.discard(name)

    def _missing(self, names: Sequence[str]) -> list[str]:
        unknown = [name for name in names if name not in self._there]
        missing = self._link.ask("have", {"names": unknown})["missing"] if unknown else []
        self._there |= set(unknown) - set(missing)
        return list(missing)

    def _send(self, name: str, chunks: Any, size: int) -> None:
        self._link.ask("put", {"name": name}, chunks, size)
        self._there.add(name)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _arrays(forms: Sequence[dict[str, Any]], data: bytes) -> tuple[np.ndarray, ...]:
    import numpy as np

    arrays, start = [], 0
    for form in forms:
        kind = np.dtype(form["dtype"])
        count = int(np.prod(form["shape"], dtype=np.int64))
        values = np.frombuffer(data, kind, count, start).reshape(form["shape"])
        arrays.append(values.astype(kind.newbyteorder("="), copy=True))
        start += count * kind.itemsize
    return tuple(arrays)
