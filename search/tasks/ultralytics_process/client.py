"""Starts the process that runs Ultralytics, and calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from paretune.search.errors import UserError
from paretune.search.tasks.ultralytics_process.array_pipe import Arrays, PipeClosed, receive, send

PROGRAM = Path(__file__).with_name("worker.py")

PACKAGE = "ultralytics"

INSTALL = (
    "Paretune does not install it, because its licence is AGPL-3.0. Type {python} -m pip install "
    "ultralytics, or name an interpreter that has it: task: {{ultralytics: {{python: PATH, ...}}}}"
)


class UltralyticsProcess:
    """A process that imports Ultralytics, started at the first call.

    Args:
        options: What `worker.Session` takes.
        folder: Working folder: the study file's.
        python: The interpreter that has the package.
    """

    def __init__(self, options: dict[str, Any], folder: Path, python: str | None) -> None:
        self.options = options
        self.folder = folder
        self.python = python or sys.executable
        self._process: subprocess.Popen[bytes] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the process out: a copy in another process starts its own."""
        return {**self.__dict__, "_process": None, "_log": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> UltralyticsProcess:
        """Returns the same object: copies of a task share the process."""
        return self

    def call(
        self, name: str, arrays: Arrays | None = None, **message: Any
    ) -> tuple[dict[str, Any], Arrays]:
        """Calls a method of the worker's session.

        Raises:
            UserError: Ultralytics refused, or its process ended.
        """
        if self._process is None:
            self._start()
        return self._exchange({"call": name, **message}, arrays or {})

    def _exchange(self, message: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        assert self._process is not None
        try:
            send(cast(BinaryIO, self._process.stdin), message, arrays)
            answer, returned = receive(cast(BinaryIO, self._process.stdout))
        except (PipeClosed, OSError) as error:
            raise UserError(
                f"task: ultralytics: its process ended: {self._last_words()}"
            ) from error
        if answer.get("missing", "").partition(".")[0] == PACKAGE:
            hint = INSTALL.format(python=self.python)
            raise UserError(f"task: ultralytics is not installed for {self.python}. {hint}")
        if "error" in answer:
            raise UserError(f"task: ultralytics: {' '.join(answer['error'].split())}")
        return answer, returned

    def _start(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                [self.python, str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd=self.folder,
                env=_environment(),
                start_new_session=True,  # an interrupted run ends it after its epoch, not before
            )
        except OSError as error:
            self._log.close()
            raise UserError(
                f"task: ultralytics: python: {self.python} cannot be started: {error.strerror}"
            ) from error
        weakref.finalize(self, _end, self._process, self._log)
        try:
            self._exchange({"call": "open", **self.options}, {})
        except UserError:
            _end(self._process, self._log)
            self._process = None
            raise

    def _last_words(self) -> str:
        """Returns the last line that the process printed."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def _environment() -> dict[str, str]:
    """Returns the environment without what makes another interpreter see this one's packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout, log):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
