"""Makes the Python environment of LiteRT's converter, for `paretune setup litert`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from paretune.objectives.runtimes.litert_converter import LitertConverter
from paretune.objectives.runtimes.litert_environment import (
    READY,
    REQUIREMENTS,
    LitertEnvironment,
    python_of,
    run_uv,
)


def make_environment(planned: LitertEnvironment) -> None:
    """Makes the environment and converts a small network with it.

    An older or incomplete one is replaced. If it fails, no environment is used.

    Raises:
        Unmeasurable: uv cannot make it, or it cannot convert.
    """
    folder = planned.folder
    (folder / READY).unlink(missing_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    run_uv("venv", "--clear", "--python", planned.python, str(folder))
    run_uv("pip", "install", "--python", str(python_of(folder)), *REQUIREMENTS, shows_progress=True)
    _check_converts(python_of(folder), folder)
    content = {"requirements": list(REQUIREMENTS), "packages": list(planned.packages)}
    draft = folder / f"{READY}.draft"
    draft.write_text(json.dumps(content, indent=1))
    os.replace(draft, folder / READY)


def _check_converts(python: Path, folder: Path) -> None:
    """Converts a small network.

    Raises:
        Unmeasurable: It cannot be converted.
    """
    import torch

    from paretune.objectives.runtimes.torch_programs import export_program, save_program

    source, target = folder / "check.pt2", folder / "check.tflite"
    save_program(export_program(torch.nn.Linear(4, 2).eval(), (4,), batch=1).program, source)
    converter = LitertConverter(str(python))
    try:
        converter.convert(source, target)
    finally:
        converter.end()
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
