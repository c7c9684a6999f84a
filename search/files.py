"""Files that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def written_whole(path: Path, content: bytes | str) -> Path:
    """Writes a file through a temporary one beside it.

    Raises:
        OSError: It cannot be written; neither file is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.chmod(name, 0o644)  # mkstemp's 0600 would hide a report from the web server's user
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def sha256_of(path: Path) -> str:
    """The digest of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
