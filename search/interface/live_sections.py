"""The sections of a study with Python objects in them, as the plain data of a study file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from paretune.search.errors import UserError
from paretune.search.study_file.problems import Key
from paretune.search.user_code import resolve
from paretune.search.user_code.live import MODULE, LiveObject
from paretune.search.user_code.live_digests import has_file, object_digest
from paretune.search.user_code.live_source import NoSource

PARTS = ("train", "training", "validation", "val", "valid", "dev", "test", "testing")
"""Keys of `data` that hold a part of it, if their values are objects."""

PLAIN = (type(None), bool, int, float, str)


class LiveSections:
    """Sections as plain data; objects in them become dotted paths.

    An object that a module file defines gets the path of that module, so that other processes can
    import it, too. Any other gets a path in this process.

    Attributes:
        data: The sections.
        objects: Name -> object, of those that exist in this process alone.

    Args:
        sections: The sections.

    Raises:
        UserError: A value cannot be part of a study.
    """

    def __init__(self, sections: Mapping[str, Any]) -> None:
        self.objects: dict[str, LiveObject] = {}
        self._paths: dict[int, str] = {}
        self._kept: list[Any] = []  # an id belongs to an object as long as it lives
        self.data = {
            str(name): self._section((str(name),), value) for name, value in sections.items()
        }

    def _section(self, key: Key, value: Any) -> Any:
        match key:
            case ("data",):
                return self._data(value)
            case ("task",) if not isinstance(value, Mapping | str | None):
                return self._path(key, value)
            case ("baseline",) if not isinstance(value, Mapping | str | None):
                return {"architecture": self._architecture((*key, "architecture"), value)}
            case _:
                return self._plain(key, value)

    def _plain(self, key: Key, value: Any) -> Any:
        """Returns a value as JSON."""
        if isinstance(value, PLAIN):
            return value
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, Mapping):
            return self._mapping(key, value)
        if isinstance(value, list | tuple):
            return [self._plain((*key, str(i)), child) for i, child in enumerate(value)]
        if type(value).__module__ == "numpy" and hasattr(value, "item") and not value.shape:
            return value.item()
        if key[-1] == "architecture" or key[-3:-1] == ("architecture", "choice"):
            return self._architecture(key, value)
        if key[-2:] == ("elastic", "of"):
            return self._architecture(key, value)
        if isinstance(value, type | FunctionType):
            return self._path(key, value)
        raise UserError(
            f"{'.'.join(key)}: give plain values, a class or a function, not {_kind(value)}"
        )

    def _mapping(self, key: Key, value: Mapping[Any, Any]) -> dict[str, Any]:
        plain = {}
        for name, child in value.items():
            text = name if isinstance(name, str) else self._name_of_key(key, name)
            plain[text] = self._plain((*key, text), child)
        return plain

    def _name_of_key(self, key: Key, name: Any) -> str:
        """Returns a key as text: the user's own class, such as an objective, becomes its path."""
        if isinstance(name, type | FunctionType):
            return self._path(key, name)
        raise UserError(f"{'.'.join(key)}: a key is a name, or a class of yours, not {_kind(name)}")

    def _architecture(self, key: Key, value: Any) -> Any:
        """Returns an architecture: a network, its class, or a function that returns one."""
        if hasattr(value, "build") and hasattr(value, "Params"):
            return self._path(key, value)
        return {"python": self._path(key, value)}

    def _data(self, value: Any) -> Any:
        """Returns the section `data` of a function, arrays, Datasets or DataLoaders."""
        key = ("data",)
        if isinstance(value, str | None | os.PathLike):
            return self._plain(key, value)
        if not isinstance(value, Mapping):
            return {"python": self._path(key, value)}
        if not any(_holds_examples(name, child) for name, child in value.items()):
            return self._plain(key, value)
        return {"python": self._registered(key, "arrays", dict(value), lambda: dict(value))}

    def _path(self, key: Key, value: Any) -> str:
        """Returns the dotted path of an object."""
        if id(value) in self._paths:
            return self._paths[id(value)]
        path = importable_path(value)
        if isinstance(value, partial):
            raise UserError(
                f"{'.'.join(key)}: give the function itself, and its arguments beside it: "
                '{"python": function, "args": {...}}, not a functools.partial'
            )
        if path is None and isinstance(value, type | FunctionType):
            path = self._registered(key, _name(key, value), value, value)
        elif path is None:
            path = self._registered(key, type(value).__name__, value, _factory(value))
        self._paths[id(value)] = path
        self._kept.append(value)
        return path

    def _registered(self, key: Key, name: str, value: Any, target: Any) -> str:
        """Returns the path of an object of this process.

        Args:
            key: Its key, for errors.
            name: Its name, to which a number is added if another object has it.
            value: What its digest is of.
            target: What its path leads to.
        """
        number, free = 1, name
        while free in self.objects:
            number += 1
            free = f"{name}_{number}"
        try:
            digest = object_digest(value)
        except NoSource as error:
            raise UserError(
                f"{'.'.join(key)}: the source of {error} cannot be read, so a change in it would "
                "not be noticed; define it in a file or a notebook cell, or give it a number that "
                f"you raise with each change: {error}.version = 1"
            ) from error
        self.objects[free] = LiveObject(target, digest)
        return f"{MODULE}:{free}"


def importable_path(value: Any) -> str | None:
    """Returns the dotted path of a class or function of a module file; None for any other."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    if not has_file(module):
        return None
    path = f"{module}:{name}"
    try:
        return path if resolve(path) is value else None
    except (ImportError, AttributeError):
        return None


def _name(key: Key, value: type | FunctionType) -> str:
    name = value.__qualname__.rpartition(".")[2]
    if not name.isidentifier():
        raise UserError(
            f"{'.'.join(key)}: a lambda has no name that trials can be stored with; write a "
            "function: def make(): return ..."
        )
    return name


def _factory(value: Any) -> Callable[[], Any]:
    """Returns a function that returns an object; a network is copied, since trials change it."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.nn.Module):
        return lambda: value
    import copy

    return lambda: copy.deepcopy(value)


def _holds_examples(name: Any, value: Any) -> bool:
    """Returns whether an entry of `data` holds examples: an array, a Dataset or a DataLoader."""
    if isinstance(value, (*PLAIN, Mapping, os.PathLike, type, FunctionType)):
        return False
    is_part = name in PARTS or str(name).startswith(("x_", "y_"))
    return is_part and not (isinstance(value, list) and all(isinstance(v, str) for v in value))


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
