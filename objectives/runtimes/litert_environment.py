"""The Python environment of LiteRT's converter, which `paretune setup litert` makes.

It is in the user's data folder, so that all studies and all clones share it. A file that is written
last says what it holds; without that file, or with other requirements, it is not used.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paretune.objectives.errors import Unmeasurable

REQUIREMENTS = ("litert-torch>=0.10,<0.11", "torch>=2.11,<2.16")
"""What the environment holds. The ranges are those with which the runtime's tests pass."""

GIGABYTES = 7
"""Disk that it takes on Linux with the CUDA libraries of torch, in 10^9 bytes; measured 6.8."""

READY = "paretune-setup.json"
"""File in the environment that is written when it works."""


@dataclass(frozen=True)
class LitertEnvironment:
    """An environment to make.

    Attributes:
        folder: Its folder.
        python: The Python that it is made from.
        packages: What uv will install: "torch==2.14.1".
        free: Free bytes of the disk.
        is_ready: Whether it is there already and works.
    """

    folder: Path
    python: str
    packages: Sequence[str]
    free: int
    is_ready: bool


def environment_folder() -> Path:
    """Returns the folder of the environment; XDG_DATA_HOME or LOCALAPPDATA moves it."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME"
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / ".local" / "share") / "paretune" / "litert"


def prepared_python() -> str | None:
    """Returns the environment's Python, or None if it is absent, incomplete or of other ranges."""
    folder = environment_folder()
    try:
        ready = json.loads((folder / READY).read_text())
    except (OSError, ValueError):
        return None
    python = python_of(folder)
    is_same = isinstance(ready, dict) and ready.get("requirements") == list(REQUIREMENTS)
    return str(python) if is_same and os.access(python, os.X_OK) else None


def planned_environment() -> LitertEnvironment:
    """Returns what `make_environment` would make; it asks uv, and writes nothing.

    Raises:
        Unmeasurable: uv is not there, or it cannot resolve the requirements.
    """
    folder = environment_folder()
    if prepared_python():
        return LitertEnvironment(folder, str(python_of(folder)), (), _free(folder), True)
    command = ["pip", "compile", "--python", sys.executable, "--no-header", "--no-annotate", "-"]
    lines = run_uv(*command, text="\n".join(REQUIREMENTS)).splitlines()
    packages = [line.split(";")[0].strip() for line in lines if "==" in line]
    return LitertEnvironment(folder, sys.executable, packages, _free(folder), False)


def python_of(folder: Path) -> Path:
    """Returns the Python of an environment."""
    if sys.platform == "win32":
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def _free(folder: Path) -> int:
    """Returns the free bytes of the disk that a folder is or will be on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def run_uv(*arguments: str, text: str | None = None, shows_progress: bool = False) -> str:
    """Runs uv and returns what it prints.

    Raises:
        Unmeasurable: uv is not there, or it fails.
    """
    beside = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise Unmeasurable("uv, which makes the environment, is not installed; pip install uv")
    command = [program, *arguments, *([] if shows_progress else ["--quiet"])]
    process = subprocess.run(
        command,
        input=text,
        stdout=subprocess.PIPE,
        stderr=None if shows_progress else subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        reason = (process.stderr or "").strip() or "its message is above"
        raise Unmeasurable(f"uv {' '.join(arguments[:2])} failed: {reason}")
    return process.stdout
