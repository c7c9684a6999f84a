"""The `paretune run` that the page started, as a process of its own.

It goes on when the server ends, like a run that was typed in another terminal.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paretune.search.shell import command_text, path_argument

LOG = "serve-run.log"
"""File in the study's folder that receives the output of the run."""

LAST_LINES = 20
"""Lines of the output that the page shows."""

LAST_BYTES = 16_000
"""Bytes at the end of the output from which they are taken."""


class RunProcess:
    """A run of a study.

    Attributes:
        command: The command as the user could type it.
        started: Unix time.

    Args:
        file: The study file.
        folder: The study's folder, which receives the output.
        options: Options of `paretune run`.
    """

    def __init__(self, file: Path, folder: Path, options: Sequence[str]) -> None:
        self.command = command_text("run", file, *options)
        self.started = time.time()
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / LOG
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "paretune", "run", path_argument(str(file)), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the server, not the run
            )

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def json(self) -> dict[str, Any]:
        """Returns the run as the page shows it."""
        code = self.code
        return {
            "command": self.command,
            "state": "running" if code is None else "ended",
            "code": code,
            "lines": last_lines(self._log),
        }


def last_lines(log: Path) -> list[str]:
    """Returns the last lines of a file; none if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - LAST_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-LAST_LINES:]
