"""Imports the user's own Python code by dotted paths."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any


def add_import_folders(folder: Path) -> None:
    """Lets modules be imported from the study's folder and the current one, after all others.

    Args:
        folder: Folder of the study file.
    """
    for entry in (str(folder), os.getcwd()):
        if entry not in sys.path:
            sys.path.append(entry)


def resolve(path: str) -> Any:
    """Imports the object of a dotted path "pkg.mod:name.attribute".

    Raises:
        ImportError, AttributeError: The module or name does not exist.
        Exception: Any error that the user's module raises when it is imported.
    """
    module, _, attributes = path.partition(":")
    value: Any = importlib.import_module(module)
    for name in attributes.split("."):
        value = getattr(value, name)
    return value
