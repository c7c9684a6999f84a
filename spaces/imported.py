"""Imports what the user's code defines, by its dotted path."""

from __future__ import annotations

import importlib
from typing import Any

from paretune.spaces.base import InfeasibleCandidate


def imported(kind: str, path: str) -> Any:
    """Returns the object of a dotted path "pkg.mod:name.attribute".

    Args:
        kind: What it is used as, for the error text.
        path: The dotted path.

    Raises:
        InfeasibleCandidate: It cannot be imported.
    """
    module, _, attribute = path.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
    except Exception as error:  # a user's module can raise anything
        raise InfeasibleCandidate(
            f"{kind} {path}: {type(error).__name__}: {error}; "
            "is it installed, or in the study file's folder?"
        ) from error
    return value
