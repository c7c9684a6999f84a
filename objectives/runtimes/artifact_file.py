"""Writes artifacts so that a file is complete or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.base import Artifact


def write_artifact(path: Path, runtime: str, write: Callable[[Path], dict[str, Any]]) -> Artifact:
    """Writes an artifact to a scratch folder, moves it to its path, and returns it.

    Args:
        path: The file to write; an older one is replaced.
        runtime: Name of the runtime.
        write: Writes its argument, a file in a scratch folder next to `path`. Returns `info`.

    Raises:
        OSError: The file cannot be written; an older file stays unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    begun = time.perf_counter()
    try:
        draft = scratch / path.name
        info = write(draft)
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = draft.stat().st_size
        os.replace(draft, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = round(time.perf_counter() - begun, 3)
    return Artifact(path, runtime, digest, size, {**info, "seconds": seconds})
