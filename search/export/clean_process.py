"""A clean process that runs an exported model, and its model as a runtime that can be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from types import TracebackType
from typing import Any

import numpy as np

DRIVER = Path(__file__).with_name("driver.py")

PATIENCE = 900.0
"""Seconds for one job: loading, or running a batch of examples."""


class CleanFailure(Exception):
    """The model does not run there, with the reason."""


class CleanProcess:
    """Python without Paretune: isolated (-I), which leaves PYTHONPATH and the current folder out.

    A file that makes its runtime crash ends this process, not the one that checks it.
    """

    def __enter__(self) -> CleanProcess:
        self._place = TemporaryDirectory(prefix="paretune-", ignore_cleanup_errors=True)
        self._folder = Path(self._place.name)
        self._errors = (self._folder / "errors.txt").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(DRIVER), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._folder,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
        self._place.cleanup()

    def start(self, source: str, file: Path, model: Path) -> None:
        """Loads a model by the code that a user would run.

        Args:
            source: Of the code.
            file: Where the code says that it lies.
            model: The artifact.

        Raises:
            CleanFailure: It cannot be loaded.
        """
        self._asked("start", source=source, file=str(file.absolute()), model=str(model.absolute()))

    def prepared(self, examples: Any) -> np.ndarray:
        """Examples, as the code makes them what the model takes.

        Raises:
            CleanFailure: It cannot be done.
        """
        self._give(examples)
        self._asked("prepare")
        return self._array("inputs.npy")

    def __call__(self, examples: Any) -> np.ndarray:
        """Logits [B, classes] of examples: uint8 images [B, C, H, W], or texts.

        Raises:
            CleanFailure: The model does not run.
        """
        self._give(examples)
        self._asked("run")
        return self._array("logits.npy")

    def demonstrated(self, source: str, file: Path) -> str:
        """What the code prints as a program.

        Raises:
            CleanFailure: It fails.
        """
        return str(self._asked("demonstrate", source=source, file=str(file.absolute()))["said"])

    def ours(self) -> Sequence[str]:
        """Modules of Paretune that were imported there."""
        return list(self._asked("imported")["ours"])

    def _give(self, examples: Any) -> None:
        if isinstance(examples, np.ndarray) and examples.dtype.kind != "U":
            np.save(self._folder / "examples.npy", examples)
        else:
            texts = json.dumps([str(text) for text in examples])
            (self._folder / "examples.json").write_text(texts)

    def _array(self, name: str) -> np.ndarray:
        try:
            found: np.ndarray = np.load(self._folder / name, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CleanFailure(f"it gave no array: {error}") from error
        return found

    def _asked(self, what: str, **job: Any) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        timer = Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            with suppress(OSError):  # it ended: its answer is missing, and says so
                self._process.stdin.write(json.dumps({"do": what, **job}) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise CleanFailure(self._end())
        answer: dict[str, Any] = json.loads(line)
        if answer["error"] is not None:
            raise CleanFailure(str(answer["error"]).strip().splitlines()[0])
        return answer

    def _end(self) -> str:
        """How the process ended, for people."""
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"the process ended with {code}{': ' + said[-1] if said else ''}"


class CleanRuntime:
    """A clean process in place of a runtime: what is measured of it is what its user gets.

    Args:
        process: A model is loaded in it.
        name: Of the runtime that the model is for.
    """

    def __init__(self, process: CleanProcess, name: str) -> None:
        self._process = process
        self.name = name

    def load(self, path: Path, options: Any, threads: int | None = None) -> CleanProcess:
        """The process, which holds the model already."""
        return self._process
