"""The user's own Python code: where it lies, and what a dotted path leads to."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any


def find_user_code(folder: Path) -> None:
    """Lets `pkg.mod:Net` lie beside the study file or in the current folder, after all else."""
    for place in (str(folder), os.getcwd()):
        if place not in sys.path:
            sys.path.append(place)


def resolve(path: str) -> Any:
    """What "pkg.mod:name.attribute" leads to.

    Raises:
        ImportError, AttributeError: There is no such module or name.
        Exception: Whatever the user's module raises when it is imported.
    """
    module, _, attribute = path.partition(":")
    found: Any = importlib.import_module(module)
    for step in attribute.split("."):
        found = getattr(found, step)
    return found
