"""Reads rows of a study database as plain mappings.

A SQLite file is read with Python's own module: importing SQLAlchemy takes longer than reading the
front of ten thousand trials. Any other database is read through SQLAlchemy.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.database.damage import BUSY_SECONDS, PREFIX, explained, refuse_damage
from paretune.search.interruption import deferred_interrupts

if TYPE_CHECKING:
    import sqlalchemy as sa

Read = Callable[[str], tuple[Sequence[str], list[Any]]]
"""SELECT statement -> names of its columns, and its rows."""

JSON_COLUMNS = frozenset(
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
        "changes",
        "content",
        "curve",
        "value",
    )
)
"""Columns that hold JSON in a table that is read this way.

Only text is decoded, so that a column of numbers in another table may have the same name.
"""

SHARED_COLUMNS = frozenset(("conditions", "violations", "cached"))
"""Columns that have the same text in many rows. One object then serves all of them, which none may
change: in a study of 10,000 trials that saves 80 MB and a part of the time."""

HEADER_BYTES = 100
"""Size of the header of a SQLite file; a smaller file is none."""

CHECKED_BYTES = 16_000_000
"""A larger file is not checked for damage before it is read, as that takes longer than reading."""


class Rows:
    """Runs SELECT statements; returns rows as column name -> value, with JSON decoded.

    Attributes:
        now: The server's clock in SQL, as Unix time; empty if the database is a file.

    Args:
        read: Queries the database.
        now: See above.
    """

    def __init__(self, read: Read, now: str = "") -> None:
        self._read = read
        self.now = now

    def __call__(self, statement: str) -> list[dict[str, Any]]:
        """Returns the rows of a statement."""
        names, rows = self._read(statement)
        return _decode([dict(zip(names, row, strict=True)) for row in rows])

    def plain(self, statement: str) -> list[Any]:
        """Returns the rows as tuples, which is faster for many numbers; decodes nothing."""
        return self._read(statement)[1]


@contextmanager
def open_rows(url: str) -> Iterator[Rows]:
    """Opens an existing database for reading.

    Raises:
        UserError: There is no such database, the file is not a database, or it is damaged.
    """
    file = Path(url.removeprefix(PREFIX))
    if url.startswith(PREFIX) and "?" not in url and _is_database(file):
        refuse_damage(url, CHECKED_BYTES)
        with explained(url), closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
            yield sqlite_rows(connection)
        return
    from paretune.search.database.engine import open_engine  # explains what is wrong with a file

    engine = open_engine(url)
    try:
        with explained(url):
            yield engine_rows(engine)
    finally:
        with deferred_interrupts():
            engine.dispose()


def sqlite_rows(connection: sqlite3.Connection) -> Rows:
    """Returns the reader of a SQLite file."""

    def read(statement: str) -> tuple[Sequence[str], list[Any]]:
        cursor = connection.execute(statement)
        return [column[0] for column in cursor.description], cursor.fetchall()

    return Rows(read)


def engine_rows(engine: sa.Engine) -> Rows:
    """Returns the reader of any other database."""
    import sqlalchemy as sa

    from paretune.search.database.base import reading

    def read(statement: str) -> tuple[Sequence[str], list[Any]]:
        with reading(engine) as connection:
            result = connection.execute(sa.text(statement))
            return list(result.keys()), [tuple(row) for row in result]

    is_server = engine.dialect.name == "postgresql"
    return Rows(read, "CAST(extract(epoch FROM clock_timestamp()) AS float)" if is_server else "")


def sql_list(numbers: Collection[int]) -> str:
    """Returns trial numbers for an IN, in order: "(1, 3)"; for no number a list without a match."""
    if not numbers:
        return "(NULL)"  # PostgreSQL refuses an empty list
    return f"({', '.join(str(int(number)) for number in sorted(numbers))})"


def sql_columns(names: Collection[str]) -> str:
    """Returns column names for a SELECT, in quotes: some are words of SQL."""
    return ", ".join(f'"{name}"' for name in names)


def subset(row: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Returns these columns of a row."""
    return {name: row[name] for name in names}


def _is_database(file: Path) -> bool:
    """Returns whether a file may be a SQLite database; SQLite itself looks at the content.

    The file is not opened here. Closing it would drop the locks of all other connections of this
    process, and another process would then remove the log that they read
    (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    try:
        return file.is_file() and file.stat().st_size >= HEADER_BYTES
    except OSError:
        return False


def _decode(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decodes the JSON columns of SQLite; a PostgreSQL driver decodes them itself."""
    decode = json.JSONDecoder().decode
    for name in JSON_COLUMNS & rows[0].keys() if rows else ():
        decode_one = _shared(decode) if name in SHARED_COLUMNS else decode
        for row in rows:
            value = row[name]
            if isinstance(value, str):
                row[name] = {} if value == "{}" else decode_one(value)
    return rows


def _shared(decode: Callable[[str], Any]) -> Callable[[str], Any]:
    """Returns a decoder that returns the same object for the same text."""
    decoded: dict[str, Any] = {}

    def decode_one(text: str) -> Any:
        if text not in decoded:
            decoded[text] = decode(text)
        return decoded[text]

    return decode_one
