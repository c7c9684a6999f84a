"""Objects of this process alone, such as a class of a notebook cell, under dotted paths.

Each has the path "this_process:NAME", which resolves like the path of a module. Another process
knows no such object.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from paretune.search.user_code.dotted import absence_text

MODULE = "this_process"


@dataclass(frozen=True, eq=False)
class LiveObject:
    """An object of this process.

    Attributes:
        value: The object.
        digest: Digest of its source and of everything that it uses.
    """

    value: Any
    digest: str


class LiveConflict(ValueError):
    """Two studies that run at the same time have different objects of one name."""


class _LiveModule(ModuleType):
    """The module of the paths."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(absence_text(name))


_module = _LiveModule(MODULE)
sys.modules[MODULE] = _module

_lock = threading.RLock()
_active: list[Mapping[str, LiveObject]] = []
"""The objects of each study that is at work now: name -> object."""


def live_digest(path: str) -> str | None:
    """Returns the digest of the object behind "this_process:NAME"; None if there is none."""
    name = path.partition(":")[2]
    return next((each[name].digest for each in reversed(_active) if name in each), None)


@contextmanager
def live_objects(objects: Mapping[str, LiveObject]) -> Iterator[None]:
    """Makes objects importable until the end of the block.

    Args:
        objects: Name -> object.

    Raises:
        LiveConflict: Another study at work has a different object of the same name.
    """
    with _lock:
        for other in _active:
            for name, each in objects.items():
                if name in other and other[name].digest != each.digest:
                    raise LiveConflict(name)
        _active.append(objects)
        _show()
    try:
        yield
    finally:
        with _lock:
            _active.remove(objects)
            _show()


def _show() -> None:
    """Makes the module have the objects of the studies at work, and no others."""
    for name in [name for name in vars(_module) if not name.startswith("__")]:
        delattr(_module, name)
    for objects in _active:
        for name, each in objects.items():
            setattr(_module, name, each.value)
