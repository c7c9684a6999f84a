"""Rows of a study database as plain mappings, for who only reads.

A SQLite file is read with what comes with Python: importing SQLAlchemy takes longer than reading
the front of ten thousand trials. Any other database is read through SQLAlchemy.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

Read = Callable[[str], tuple[Sequence[str], list[Any]]]
"""SELECT statement -> names of its columns, and its rows."""

JSON = frozenset(
    (
        "source",
        "identity",
        "axes",
        "info",
        "plan",
        "params",
        "proposal",
        "values",
        "violations",
        "reason",
        "seconds",
        "cached",
        "artifact",
        "artifacts",
        "conditions",
        "members",
        "facts",
    )
)
"""Columns that hold JSON in any table."""

PREFIX = "sqlite:///"


class Rows:
    """SELECT statement -> rows, column name -> value; JSON is decoded.

    Args:
        read: Asks the database.
    """

    def __init__(self, read: Read) -> None:
        self._read = read

    def __call__(self, statement: str) -> list[dict[str, Any]]:
        """The rows of a statement."""
        names, found = self._read(statement)
        return _decoded([dict(zip(names, row, strict=True)) for row in found])

    def plain(self, statement: str) -> list[Any]:
        """The rows as tuples, for many rows of numbers."""
        return self._read(statement)[1]


@contextmanager
def open_rows(url: str) -> Iterator[Rows]:
    """Reads an existing database.

    Raises:
        UserError: There is no such database, or it is none.
    """
    file = Path(url.removeprefix(PREFIX))
    if url.startswith(PREFIX) and "?" not in url and _is_database(file):
        connection = sqlite3.connect(file, timeout=60)
        try:
            yield sqlite_rows(connection)
        finally:
            connection.close()
        return
    from paretune.search.database.engine import open_engine  # reports a file that is no database

    engine = open_engine(url)
    try:
        yield engine_rows(engine)
    finally:
        engine.dispose()


def sqlite_rows(connection: sqlite3.Connection) -> Rows:
    """Reads a SQLite file."""

    def read(statement: str) -> tuple[Sequence[str], list[Any]]:
        cursor = connection.execute(statement)
        return [column[0] for column in cursor.description], cursor.fetchall()

    return Rows(read)


def engine_rows(engine: sa.Engine) -> Rows:
    """Reads through an engine."""
    import sqlalchemy as sa

    def read(statement: str) -> tuple[Sequence[str], list[Any]]:
        with engine.connect() as connection:
            found = connection.execute(sa.text(statement))
            return list(found.keys()), [tuple(row) for row in found]

    return Rows(read)


def sql_list(numbers: Collection[int]) -> str:
    """Trial numbers for an IN."""
    return f"({', '.join(str(int(number)) for number in sorted(numbers))})"


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(16) == b"SQLite format 3\0"
    except OSError:
        return False


def _decoded(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A driver of PostgreSQL decodes JSON itself."""
    decode = json.JSONDecoder().decode
    for name in JSON & found[0].keys() if found else ():
        for row in found:
            given = row[name]
            if isinstance(given, str):
                row[name] = {} if given == "{}" else decode(given)
    return found


def sql_columns(names: Collection[str]) -> str:
    """Column names for a SELECT; some are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def subset(row: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """These columns of a row."""
    return {name: row[name] for name in names}
