"""Converts programs of torch.export to .tflite files, in a process of another Python.

LiteRT's converter, litert-torch, and Paretune need packages of different versions. So it is in an
environment of its own: the one that `paretune setup litert` made, or any other one that the
variable PARETUNE_LITERT_PYTHON names.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.litert_environment import prepared_python

PYTHON = "PARETUNE_LITERT_PYTHON"
"""Environment variable: path of the python of an environment that has litert-torch."""


def converter_python() -> str | None:
    """Returns the Python that converts: the variable's, the prepared one, or this one."""
    path = os.environ.get(PYTHON)
    if path:
        return path if os.access(path, os.X_OK) else None
    return prepared_python() or (sys.executable if find_spec("litert_torch") else None)


def no_converter() -> str | None:
    """Returns what to type if no Python here converts, or None if one does."""
    if converter_python():
        return None
    path = os.environ.get(PYTHON)
    if path:
        return f"{PYTHON} names {path}, which cannot be run; type its full path, or unset it"
    return "no converter: litert-torch has an environment of its own; type paretune setup litert"


class LitertConverter:
    """The process that converts. It starts at the first conversion and ends with this process.

    Args:
        python: The Python to start.
    """

    _running: LitertConverter | None = None

    @classmethod
    def get(cls) -> LitertConverter:
        """Returns this process's converter; starts it if it does not run."""
        if cls._running is None or cls._running.process.poll() is not None:
            python = converter_python()
            assert python is not None
            cls._running = cls(python)
            atexit.register(cls._running.end)
        return cls._running

    def __init__(self, python: str) -> None:
        worker = Path(__file__).with_name("litert_worker.py")
        self.process = subprocess.Popen(
            # Isolated, because the script's folder has files named torch.py and litert.py.
            [python, "-I", str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def convert(self, source: Path, target: Path) -> None:
        """Converts a program to a .tflite file.

        Raises:
            Unmeasurable: It cannot be converted.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"program": str(source), "file": str(target)}))
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or '{"error": "it ended"}')
        except OSError as error:
            answer = {"error": str(error)}
        if answer["error"] is not None:
            raise Unmeasurable(f"litert-torch cannot convert the network: {answer['error']}")

    def end(self) -> None:
        """Ends the process if it still runs."""
        self.process.kill()
        self.process.communicate()
