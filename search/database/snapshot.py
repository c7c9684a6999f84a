"""Reads a study database that must stay as it is, from a copy of its files.

SQLite writes even for a reader: it makes files beside the database, and the last one that closes it
moves the rest of a killed run into it (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paretune.search.database.damage import PREFIX, sqlite_file
from paretune.search.database.reader import StudyReader, study_reader

TRIES = 5
"""Copies that are made at most while another process writes the database."""

PARTS = ("", "-wal")
"""Ends of the names of the files that hold its content."""


@contextmanager
def untouched_reader(url: str) -> Iterator[StudyReader]:
    """Opens an existing database for reading; changes no file of it.

    A database that another process writes all the time is read where it is.

    Raises:
        UserError: There is no such database, or the file is not a database.
    """
    file = sqlite_file(url)
    with tempfile.TemporaryDirectory(prefix="paretune-read-") as folder:
        copy = None if file is None or not file.is_file() else _copied(file, Path(folder))
        with study_reader(url if copy is None else f"{PREFIX}{copy}") as reader:
            yield reader


def _copied(file: Path, folder: Path) -> Path | None:
    """Returns a copy of a database; None if it changes while it is copied."""
    for _ in range(TRIES):
        before = _state(file)
        for part in PARTS:
            source, target = Path(f"{file}{part}"), folder / f"{file.name}{part}"
            target.unlink(missing_ok=True)
            if source.is_file():
                shutil.copyfile(source, target)
        if _state(file) == before:
            return folder / file.name
    return None


def _state(file: Path) -> list[tuple[int, int] | None]:
    """Returns time and size of each file."""
    parts = [Path(f"{file}{part}") for part in PARTS]
    return [
        (part.stat().st_mtime_ns, part.stat().st_size) if part.is_file() else None for part in parts
    ]
