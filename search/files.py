"""Files that are written completely or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes | str) -> Path:
    """Writes a temporary file in the same folder and renames it; returns its path.

    Raises:
        OSError: The file cannot be written. An older file stays, and no temporary file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp's 0600 would hide a report from the web server's user
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 digest of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
