"""Writes commands so that they can be pasted into a shell, without passwords."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shlex import quote

STORAGE_VARIABLE = "PARETUNE_STORAGE"
"""Variable of the environment that stands for --storage, so that no command shows a password."""

PASSWORD_NOTE = "the commands leave the password out; set PGPASSWORD or PGPASSFILE before them"
"""Says what a command needs that `command_text` has taken a password from."""

_LOGIN = re.compile(r"(://[^\s/:@]*):\S+@")
_QUERY = re.compile(r"([?&][a-z]*password=)[^\s&\"']*")
_OPTION = re.compile(r"(?<=[?&])[a-z]*password=[^\s&\"']*&?")


def command_text(*arguments: object) -> str:
    """Returns a command of Paretune: `paretune show 'my study.yaml' 3`.

    A storage that the environment gives is left out. So are passwords of databases: the command
    connects with that of the environment, as the driver of PostgreSQL reads it.

    Args:
        arguments: Command, options and their values; a Path that begins with a dash gets `./`.
    """
    words = list(arguments)
    variable = os.environ.get(STORAGE_VARIABLE)
    if variable and "--storage" in words:
        option = words.index("--storage")
        if _driverless(str(words[option + 1])) == _driverless(variable):
            del words[option : option + 2]
    return " ".join(["paretune", *map(_shown, words)])


def _driverless(url: str) -> str:
    """Returns the URL of a database as users write it, without the name of the driver."""
    return re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", url)


def _shown(word: object) -> str:
    return quoted(passwordless(word) if isinstance(word, str) else word)


def passwordless(text: str) -> str:
    """Returns a text whose URLs have no passwords, so that the environment's are taken."""
    shorter = _OPTION.sub("", text)
    if shorter != text:
        shorter = re.sub(r"[?&](?=$|[\s\"'])", "", shorter)
    return _LOGIN.sub(r"\1@", shorter)


def without_password(text: str) -> str:
    """Returns a text with `***` for the passwords in its URLs."""
    return _QUERY.sub(r"\1***", _LOGIN.sub(r"\1:***@", text))


def has_password(text: str | None) -> bool:
    """Returns whether a URL has a password."""
    return text is not None and without_password(text) != text


def quoted(argument: object) -> str:
    """Returns an argument as the shell of this system needs it."""
    text = str(argument)
    if isinstance(argument, Path):
        text = path_argument(text)
    return subprocess.list2cmdline([text]) if os.name == "nt" else quote(text)


def path_argument(path: str) -> str:
    """Returns a path that no command takes for an option: `-x.yaml` becomes `./-x.yaml`."""
    return f".{os.sep}{path}" if path.startswith("-") else path
