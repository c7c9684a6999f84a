"""Writes commands so that they can be pasted into a shell, without passwords."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shlex import quote

STORAGE_VARIABLE = "PARETUNE_STORAGE"
"""Variable of the environment that stands for --storage, so that no command shows a password."""

_LOGIN = re.compile(r"(://[^\s/:@]*):\S*@")
_QUERY = re.compile(r"([?&][a-z]*password=)[^\s&\"']*")


def command_text(*arguments: object) -> str:
    """Returns a command of Paretune: `paretune show 'my study.yaml' 3`.

    Passwords of databases are left out, and a storage that the environment gives.

    Args:
        arguments: Command, options and their values; a Path that begins with a dash gets `./`.
    """
    words = list(arguments)
    variable = os.environ.get(STORAGE_VARIABLE)
    if variable and "--storage" in words and words[words.index("--storage") + 1] == variable:
        del words[words.index("--storage") : words.index("--storage") + 2]
    return " ".join(["paretune", *map(_shown, words)])


def _shown(word: object) -> str:
    return quoted(without_password(word) if isinstance(word, str) else word)


def without_password(text: str) -> str:
    """Returns a text with `***` for the passwords in its URLs."""
    return _QUERY.sub(r"\1***", _LOGIN.sub(r"\1:***@", text))


def quoted(argument: object) -> str:
    """Returns an argument as the shell of this system needs it."""
    text = str(argument)
    if isinstance(argument, Path):
        text = path_argument(text)
    return subprocess.list2cmdline([text]) if os.name == "nt" else quote(text)


def path_argument(path: str) -> str:
    """Returns a path that no command takes for an option: `-x.yaml` becomes `./-x.yaml`."""
    return f".{os.sep}{path}" if path.startswith("-") else path
