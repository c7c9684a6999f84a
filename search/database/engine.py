"""Opens the study database.

SQLite is opened with WAL, synchronous=NORMAL and a busy timeout: readers never block the writer,
a killed process loses no committed transaction, and a commit costs no fsync
(https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import make_url

from paretune.search.database import tables
from paretune.search.errors import UserError


def open_engine(url: str, create: bool = False) -> sa.Engine:
    """Opens an engine on the study database.

    Args:
        url: Its storage URL.
        create: Creates the database, its folder and Paretune's tables if they do not exist.

    Raises:
        UserError: The URL is invalid, the file is missing or no database, or no server answers.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise UserError(
            f'storage: "{url}" is not a database URL; give sqlite, sqlite:///FILE or '
            "postgresql://USER@HOST/DATABASE"
        ) from error
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite:
        file = Path(parsed.database or "")
        if create:
            _make_folder(file.parent)
        elif not file.is_file():
            raise UserError(
                f"{file}: there is no study database; start it with: paretune run STUDY"
            )
    url_text = parsed.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(parsed, connect_args={"timeout": 60} if sqlite else {})
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        extra = " (pip install 'paretune[postgres]')" if "postgres" in url else ""
        raise UserError(
            f"storage: {url_text}: no driver for this database{extra}: {error}"
        ) from error
    if sqlite:
        sa.event.listen(engine, "connect", set_pragmas)
    try:
        if create:
            with creation_lock(engine):
                tables.metadata.create_all(engine)
        else:
            with engine.connect() as connection:
                connection.execute(sa.select(sa.literal(1)))
    except sa.exc.DBAPIError as error:
        raise UserError(
            f"storage: {url_text} cannot be used as a database: {error.orig}"
        ) from error
    return engine


@contextmanager
def creation_lock(engine: sa.Engine) -> Iterator[None]:
    """Lets one worker at a time create tables.

    Neither database does that by itself: `CREATE TABLE IF NOT EXISTS` fails if another transaction
    has just created the table.
    """
    match engine.url.get_backend_name():
        case "sqlite":
            with FileLock(f"{engine.url.database}.lock"):
                yield
        case "postgresql":
            with engine.connect() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_lock(_CREATION_LOCK)))
                try:
                    yield
                finally:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(_CREATION_LOCK)))
        case _:
            yield


_CREATION_LOCK = 0x50_61_72_65  # any number that no other lock of the server has: "Pare"


def set_pragmas(connection: Any, _record: Any = None) -> None:
    """Sets the SQLite options of a connection of Paretune's or Optuna's."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=60000")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: the study's folder cannot be created: {error.strerror}"
        ) from error
