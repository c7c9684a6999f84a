"""Error texts for exceptions that the user's code raises: they name the line of that code."""

from __future__ import annotations

import os
import sysconfig
import traceback

_PACKAGE = os.path.dirname(__file__)

_NOT_THE_USERS = (
    "site-packages",
    "dist-packages",
    "<frozen ",
    *(f"{path}/".replace("\\", "/") for path in (sysconfig.get_path("stdlib"), _PACKAGE)),
)
"""Parts of paths of libraries, of Python's own modules and of this package."""


def raised_text(error: BaseException) -> str:
    """Returns `KeyError: 'boxes' (plates.py, line 34)`; the line is the innermost of the user's.

    Python's own text of a syntax error has the line already.
    """
    name, text = type(error).__name__, " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    lines = [(frame.filename.replace("\\", "/"), frame.lineno) for frame in frames]
    users = [(file, line) for file, line in lines if not any(p in file for p in _NOT_THE_USERS)]
    if not users or isinstance(error, SyntaxError):
        return f"{name}: {text}"
    file, line = users[-1]
    return f"{name}: {text} ({file.rpartition('/')[2]}, line {line})"
