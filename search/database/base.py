"""What the groups of tables have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa

Row: TypeAlias = sa.RowMapping
"""Column name -> value."""


class Tables:
    """Some tables of one study database.

    Attributes:
        engine: The database's engine, from `engine.open_engine`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def _write(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)


@contextmanager
def exclusive_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes by what it finds, one worker after the other.

    SQLite has one writer at a time anyway. On PostgreSQL two workers that both find nothing to
    delete would both insert, and the second one would fail on the primary key
    (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_REPLACING)))
        yield connection


_REPLACING = 0x50_61_72_66
"""Any number that nobody else of the server takes."""
