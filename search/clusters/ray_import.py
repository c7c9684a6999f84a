"""Imports Ray, also beside a package of the extra `energy` that breaks it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError

STAND_IN = Path(__file__).with_name("without_amd")
"""A folder with a module `amdsmi` that is an ordinary missing package."""


@cache
def import_ray() -> Any:
    """Returns the package `ray`.

    Zeus, of the extra `energy`, installs AMD's `amdsmi`. Without AMD's library its import raises a
    KeyError, and with it the import of Ray 2.60. Then a stand-in says that it is not installed: to
    this process, and by PYTHONPATH to a local cluster that it starts.

    Raises:
        UserError: Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("--cluster ray: Ray is not installed; type pip install 'paretune[ray]'")
    if _is_broken("amdsmi"):
        sys.modules["amdsmi"] = None  # type: ignore[assignment]  # as if it were not installed
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(STAND_IN), os.environ.get("PYTHONPATH", "")))
        )
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as Ray's warning asks
    return importlib.import_module("ray")


def _is_broken(name: str) -> bool:
    """Returns whether a package is installed and cannot be imported; it may print something."""
    if name in sys.modules or importlib.util.find_spec(name) is None:
        return False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
    except ImportError:
        return False  # Ray expects it
    except Exception:
        return True
    return False
