"""Dotted paths of the user's own Python code, and the objects behind them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""A dotted path, "pkg.mod:name"."""


def resolve(path: str) -> Any:
    """Imports the object of a dotted path "pkg.mod:name.attribute".

    Raises:
        ImportError, AttributeError: The module or name does not exist.
        Exception: Any error that the user's module raises when it is imported.
    """
    module, _, attributes = path.partition(":")
    value: Any = importlib.import_module(module)
    for name in attributes.split("."):
        if module == "__main__" and not hasattr(value, name):
            raise AttributeError(absence_text(name))
        value = getattr(value, name)
    return value


def absence_text(name: str) -> str:
    """Returns why another process does not have an object of a notebook or script."""
    return (
        f"{name} was defined in a notebook or script, and this process does not have it; run "
        "the cell or script that makes the paretune.Study, or move the definition into a file"
    )


def dotted_paths(value: Any) -> Iterator[str]:
    """Yields the dotted paths among the keys and texts of JSON, each once."""
    yield from dict.fromkeys(_dotted(value))


def _dotted(value: Any) -> Iterator[str]:
    match value:
        case str() if DOTTED.fullmatch(value):
            yield value
        case Mapping():
            for key, child in value.items():
                yield from _dotted(key)
                yield from _dotted(child)
        case list() | tuple():
            for child in value:
                yield from _dotted(child)
