"""The base class of the classes that read and write tables, and their transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import isfunction
from typing import Any, TypeAlias

import sqlalchemy as sa

from paretune.search.database.outage import outlasting

Row: TypeAlias = sa.RowMapping
"""Column name -> value."""


class Tables:
    """Some tables of one study database.

    In a run, each public method of a subclass outlasts an outage of the database server: it is
    called again, so it must be right also if an earlier call has written.

    Attributes:
        engine: The database's engine, from `engine.open_engine`.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, member in list(vars(cls).items()):
            if isfunction(member) and not name.startswith("_"):
                setattr(cls, name, outlasting(member))

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def _write(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)


@contextmanager
def exclusive_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Opens a transaction that reads and then writes, for one worker at a time.

    SQLite has one writer at a time anyway, but Python begins a transaction at the first statement
    that writes, so this one takes the lock before it reads. On PostgreSQL, two workers that both
    see nothing to delete would both insert, and the second would fail on the primary key
    (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
        elif connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def reading(engine: sa.Engine) -> sa.Connection:
    """Opens a connection for statements that only read.

    On PostgreSQL each of them is a transaction of its own. Together they would see no older state
    (the default isolation is READ COMMITTED), and BEGIN and ROLLBACK cost two round trips more.
    """
    connection = engine.connect()
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    return connection


_WRITE_LOCK = 0x50_61_72_66  # any number that no other lock of the server has: "Parf"
