"""A process without Paretune that runs an exported model, and a runtime that uses it."""

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

LOG_VARIABLE = "PARETUNE_LOG"

PATIENCE = 900.0
"""Seconds for one job: loading, or running a batch of examples."""


class CleanFailure(Exception):
    """The model does not run in the clean process; the text gives the reason."""


class CleanProcess:
    """Python without Paretune, isolated (-I): without PYTHONPATH and the current folder.

    A file that crashes its runtime ends this process, not the one that checks the file.
    """

    def __enter__(self) -> CleanProcess:
        self._temporary = TemporaryDirectory(prefix="paretune-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._errors = (self._folder / "errors.txt").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(DRIVER), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self._folder,
            # A check is no call of a deployed model: PARETUNE_LOG gets no line of it.
            env={k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", LOG_VARIABLE))},
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
        self._temporary.cleanup()

    def start(self, source: str, file: Path, model: Path) -> None:
        """Loads a model by the code that a user would run.

        Args:
            source: Python code.
            file: Path that the code sees as its own.
            model: Artifact.

        Raises:
            CleanFailure: The model cannot be loaded.
        """
        self._do("start", source=source, file=str(file.absolute()), model=str(model.absolute()))

    def prepare(self, examples: Any) -> np.ndarray:
        """Returns the model's inputs, which the code makes of examples.

        Raises:
            CleanFailure: The code fails.
        """
        self._write_examples(examples)
        self._do("prepare")
        return self._read_array("inputs.npy")

    def __call__(self, examples: Any) -> np.ndarray:
        """Returns logits [B, classes] of examples: uint8 images [B, C, H, W], or texts.

        Raises:
            CleanFailure: The model does not run.
        """
        self._write_examples(examples)
        self._do("run")
        return self._read_array("logits.npy")

    def prepare_arrays(self, examples: Any) -> list[np.ndarray]:
        """Returns the model's inputs, which the code makes of examples.

        Raises:
            CleanFailure: The code fails.
        """
        self._write_examples(examples)
        self._do("prepare_arrays")
        return self._read_arrays("inputs.npz")

    def run_arrays(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the model's outputs in order, for an array of each input.

        Raises:
            CleanFailure: The model does not run.
        """
        arrays = {str(number): array for number, array in enumerate(inputs)}
        np.savez(self._folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
        self._do("run_arrays")
        return self._read_arrays("outputs.npz")

    def run_as_program(self, source: str, file: Path) -> str:
        """Runs the code as a program and returns what it prints.

        Raises:
            CleanFailure: The program fails.
        """
        answer = self._do("run_as_program", source=source, file=str(file.absolute()))
        return str(answer["printed"])

    def paretune_modules(self) -> Sequence[str]:
        """Returns the modules of Paretune that were imported in the process."""
        return list(self._do("paretune_modules")["modules"])

    def _write_examples(self, examples: Any) -> None:
        if isinstance(examples, np.ndarray) and examples.dtype.kind != "U":
            np.save(self._folder / "examples.npy", examples)
        else:
            texts = json.dumps([str(text) for text in examples])
            (self._folder / "examples.json").write_text(texts)

    def _read_arrays(self, name: str) -> list[np.ndarray]:
        try:
            with np.load(self._folder / name, allow_pickle=False) as stored:
                return [stored[str(number)] for number in range(len(stored.files))]
        except (OSError, ValueError) as error:
            raise CleanFailure(f"it returned no arrays: {error}") from error

    def _read_array(self, name: str) -> np.ndarray:
        try:
            array: np.ndarray = np.load(self._folder / name, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise CleanFailure(f"it returned no array: {error}") from error
        return array

    def _do(self, what: str, **job: Any) -> dict[str, Any]:
        """Sends a job and returns its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ""
        timer = Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            with suppress(OSError):  # if the process ended, there is no answer
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
        """Returns how the process ended, as text."""
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"the process ended with {code}{': ' + lines[-1] if lines else ''}"


class CleanRuntime:
    """A runtime that runs a model in a clean process, so that the user's code is measured.

    Args:
        process: Clean process with a loaded model.
        name: Name of the runtime that the model is for.
        prepared: Whether it takes the model's inputs, rather than examples that its code prepares.
    """

    def __init__(self, process: CleanProcess, name: str, prepared: bool = False) -> None:
        self._process = process
        self._prepared = prepared
        self.name = name

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        """Returns a session of the process, which has loaded the model already."""
        return self._run if self._prepared else self._process

    def _run(self, *inputs: np.ndarray) -> Any:
        outputs = self._process.run_arrays(inputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)
