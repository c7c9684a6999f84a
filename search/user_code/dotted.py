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
    paths: dict[str, None] = {}
    _add_dotted(value, paths)
    yield from paths


def _add_dotted(value: Any, paths: dict[str, None]) -> None:
    """Adds the dotted paths of JSON; a proposal looks for them in dozens of plans."""
    if isinstance(value, str):
        if ":" in value and DOTTED.fullmatch(value):
            paths[value] = None
    elif isinstance(value, dict | Mapping):  # a dictionary is told from others in less time
        for key, child in value.items():
            _add_dotted(key, paths)
            _add_dotted(child, paths)
    elif isinstance(value, list | tuple):
        for child in value:
            _add_dotted(child, paths)
