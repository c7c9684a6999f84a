"""Reads the outline of a pickle without running anything that it names."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""First pickle of a file that torch wrote before version 1.6; the fourth one has the content."""

MODULE_STATE = ("_parameters", "_buffers", "_modules")
"""Attributes of a pickled torch.nn.Module."""


class StandIn:
    """Takes the position of an object in a pickle; it keeps the object's class path and state."""

    path = ""
    state: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> StandIn:
        """Ignores the arguments: nothing is called."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignores the arguments."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def append(self, value: Any) -> None:
        """Ignores an item of a list."""

    def extend(self, values: Any) -> None:
        """Ignores items of a list."""

    def __hash__(self) -> int:
        return id(self)

    @property
    def is_tensor(self) -> bool:
        """Whether torch rebuilds a tensor or parameter here."""
        return self.path.startswith(("torch._utils._rebuild", "torch._tensor."))

    @property
    def is_module(self) -> bool:
        """Whether this is a torch.nn.Module."""
        return isinstance(self.state, Mapping) and all(name in self.state for name in MODULE_STATE)


@dataclass(frozen=True)
class ObjectInPickle:
    """An object in a pickle.

    Attributes:
        keys: Keys that lead to it from the top; empty for the top itself.
        path: Path of its class, "package.module.Class".
        is_module: Whether it is a torch.nn.Module.
    """

    keys: tuple[Any, ...]
    path: str
    is_module: bool


class _Reader(pickle.Unpickler):
    """Replaces every class and function by a stand-in, so that the pickle can call nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns OrderedDict, or a stand-in."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return type("NamedStandIn", (StandIn,), {"path": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        """Returns a stand-in for a tensor's storage, or for the class of a module."""
        if isinstance(pid, tuple) and pid[:1] == ("module",):  # before torch 1.6
            return pid[1]
        return StandIn()


def read_outline(file: Path) -> Any:
    """Returns the content of a file of torch.save or pickle.dump, with stand-ins for objects.

    Raises:
        ValueError: The file holds no readable pickle.
    """
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                [name] = [n for n in archive.namelist() if n.endswith("/data.pkl")]
                return _Reader(io.BytesIO(archive.read(name))).load()
        with file.open("rb") as stream:
            content = _Reader(stream).load()
            if content == TORCH_MAGIC:
                for _ in range(3):
                    content = _Reader(stream).load()
            return content
    except Exception as error:  # a damaged pickle raises almost anything
        raise ValueError(f"{file} holds no readable pickle") from error


def foreign_objects(content: Any) -> list[ObjectInPickle]:
    """Returns the objects of an outline that are no tensors, in order, without those inside."""
    return list(_foreign(content, (), 0))


def keys_of_weights(content: Any) -> list[Any]:
    """Returns the keys at the top of an outline under which names lead to tensors."""
    if not isinstance(content, Mapping):
        return []
    return [key for key, value in content.items() if _holds_tensors(value)]


def _foreign(value: Any, keys: tuple[Any, ...], depth: int) -> Iterator[ObjectInPickle]:
    if isinstance(value, StandIn):
        if not value.is_tensor and value.path:
            yield ObjectInPickle(keys, value.path, value.is_module)
    elif depth < 8 and isinstance(value, Mapping):
        for key, child in value.items():
            yield from _foreign(child, (*keys, key), depth + 1)
    elif depth < 8 and isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from _foreign(child, (*keys, index), depth + 1)


def _holds_tensors(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(child, StandIn) and child.is_tensor for child in value.values())
    )
