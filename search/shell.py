"""Writes commands so that they can be pasted into a shell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from shlex import quote


def command_text(*arguments: object) -> str:
    """Returns a command of Paretune: `paretune show 'my study.yaml' 3`.

    Args:
        arguments: Command, options and their values; a Path that begins with a dash gets `./`.
    """
    return " ".join(["paretune", *map(quoted, arguments)])


def quoted(argument: object) -> str:
    """Returns an argument as the shell of this system needs it."""
    text = str(argument)
    if isinstance(argument, Path):
        text = path_argument(text)
    return subprocess.list2cmdline([text]) if os.name == "nt" else quote(text)


def path_argument(path: str) -> str:
    """Returns a path that no command takes for an option: `-x.yaml` becomes `./-x.yaml`."""
    return f".{os.sep}{path}" if path.startswith("-") else path
