"""A connection that stays open to a study database, and tells whether the database has changed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.database.damage import explained, refuse_damage, run_command, sqlite_file
from paretune.search.database.rows import CHECKED_BYTES, Rows, engine_rows, sqlite_rows
from paretune.search.errors import UserError

if TYPE_CHECKING:
    import sqlalchemy as sa

BUSY_SECONDS = 5.0
"""Longest wait for a process that writes; the page asks again a second later."""


class StudyConnection:
    """Reads one study database again and again.

    One thread at a time may use it.

    Attributes:
        rows: Reads its rows; of the file that `changed` has seen last.
        sqlite: Whether it is SQLite.

    Args:
        url: Storage URL.
    """

    rows: Rows

    def __init__(self, url: str) -> None:
        self.url = url
        self.file = sqlite_file(url)
        self.sqlite = self.file is not None
        self._connection: sqlite3.Connection | None = None
        self._engine: sa.Engine | None = None
        self._identity: tuple[int, int] | None = None
        self._version: int | None = None
        self.generation = 0

    def changed(self) -> bool:
        """Returns whether another process has written since the last call; opens the database.

        If the file was replaced by another one, `generation` grows.

        Raises:
            UserError: There is no database, or it cannot be read.
        """
        if self.file is None:
            return self._open_server()
        identity = _identity(self.file)
        if identity != self._identity or self._connection is None:
            self._open_file(self.file, identity)
        assert self._connection is not None
        with explained(self.url):
            [(version,)] = self._connection.execute("PRAGMA data_version").fetchall()
        changed = bool(version != self._version)
        self._version = version
        return changed

    def close(self) -> None:
        """Closes the connection; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = self._identity = self._version = None

    def _open_file(self, file: Path, identity: tuple[int, int] | None) -> None:
        self.close()
        if identity is None:
            raise UserError(
                f"{file}: there is no study database; start it with: {run_command(file)}"
            )
        refuse_damage(self.url, CHECKED_BYTES)
        with explained(self.url):
            # The server reads in one of several threads, one after the other.
            connection = sqlite3.connect(
                file, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
        self._connection, self._identity = connection, identity
        self.rows = sqlite_rows(connection)
        self.generation += 1

    def _open_server(self) -> bool:
        if self._engine is None:
            from paretune.search.database.engine import open_engine

            self._engine = open_engine(self.url)
            self.rows = engine_rows(self._engine)
            self.generation += 1
        return True


def _identity(file: Path) -> tuple[int, int] | None:
    """Returns device and inode of a file; None if it is gone."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
