"""The table of files that a study's store has: path in the study's folder -> digest."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction


class StoredFiles(Tables):
    """The names of the files in a store."""

    def add(self, name: str, sha256: str, size: int) -> None:
        """Notes that the store has a file; replaces an earlier one of this name."""
        table = tables.stored_files
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(table.c.name == name))
            connection.execute(sa.insert(table).values(name=name, sha256=sha256, bytes=size))

    def digest(self, name: str) -> str | None:
        """Returns the SHA-256 of a file; None if the store does not have it."""
        table = tables.stored_files
        with self.engine.connect() as connection:
            return connection.execute(
                sa.select(table.c.sha256).where(table.c.name == name)
            ).scalar_one_or_none()

    def starting(self, prefix: str) -> list[str]:
        """Returns the names that start with a text."""
        column = tables.stored_files.c.name
        with self.engine.connect() as connection:
            statement = sa.select(column).where(column.startswith(prefix, autoescape=True))
            return list(connection.execute(statement.order_by(column)).scalars())

    def rows(self) -> list[Row]:
        """Returns name, digest and bytes of all files."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(tables.stored_files)).mappings())

    def remove(self, names: Collection[str]) -> list[str]:
        """Removes files; returns the digests that no other file has."""
        table = tables.stored_files
        with exclusive_transaction(self.engine) as connection:
            chosen = table.c.name.in_(list(names))
            digests = set(connection.execute(sa.select(table.c.sha256).where(chosen)).scalars())
            connection.execute(sa.delete(table).where(chosen))
            left = sa.select(table.c.sha256).where(table.c.sha256.in_(sorted(digests)))
            return sorted(digests - set(connection.execute(left).scalars()))
