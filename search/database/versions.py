"""The tables of a study's versions, and of the version that each trial began under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, reading
from paretune.search.database.rows import Rows
from paretune.search.study.version import StudyVersion, VersionChanges

FIRST = 1
"""The version of a study that never changed."""


class NewerVersion(Exception):
    """Another worker runs a newer version of the study; the text says so."""

    def __init__(self, newest: int, version: int) -> None:
        super().__init__(
            f"the study has version {newest} now, and this process runs version {version}; its "
            "finished trials are kept. To go on here, type the same command with the new file"
        )
        self.newest = newest


class Versions(Tables):
    """The versions of one study."""

    def all(self) -> list[StudyVersion]:
        """Returns the versions in order; empty for a study that never changed."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                sa.select(tables.versions).order_by(tables.versions.c.number)
            ).mappings()
            return [version_of(row) for row in rows]

    def newest(self) -> int:
        """Returns the number of the newest version."""
        with reading(self.engine) as connection:
            return newest_of(connection)

    def of_trials(self) -> dict[int, int]:
        """Returns trial -> version, of the trials that began under a later version than the 1st."""
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(tables.trial_versions)).all()
            return {trial: version for trial, version in rows}

    def of_trial(self, number: int) -> int:
        """Returns the version that a trial began under."""
        table = tables.trial_versions
        statement = sa.select(table.c.version).where(table.c.trial == number)
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar() or FIRST)


def newest_of(connection: sa.Connection) -> int:
    """Returns the number of the newest version."""
    return int(connection.execute(_NEWEST).scalar() or FIRST)


def stale_since(connection: sa.Connection, version: int) -> set[str]:
    """Returns the quantities that later versions than this one measure with other options."""
    rows = connection.execute(_LATER, {"version": version}).scalars()
    return {name for changes in rows for name in changes["stale"]}


def refuse_newer(newest: int, version: int) -> None:
    """Refuses to go on in a study that another process has changed.

    Args:
        newest: The newest version of the study.
        version: The version that this process runs.

    Raises:
        NewerVersion: The study has a newer version; the transaction must be rolled back.
    """
    if newest > version:
        raise NewerVersion(newest, version)


def note_trial(
    connection: sa.Connection, number: int, version: int, newest: int | None = None
) -> None:
    """Stores the version that a trial begins under.

    Args:
        connection: A connection in a transaction.
        number: Trial number.
        version: The version that this process runs.
        newest: The newest version, if this transaction has read it.

    Raises:
        NewerVersion: The study has a newer version; the transaction must be rolled back.
    """
    refuse_newer(newest_of(connection) if newest is None else newest, version)
    if version > FIRST:
        connection.execute(_NOTE, {"trial": number, "version": version})


def version_of(row: Row | Mapping[str, Any]) -> StudyVersion:
    """Returns the version that a row holds."""
    changes = VersionChanges.from_json(row["changes"])
    return StudyVersion(row["number"], row["created"], row["identity"], changes)


def read_versions(rows: Rows) -> list[StudyVersion]:
    """Returns the versions of a database that is only read, and that may lack the table."""
    columns = "number, created, identity, changes"
    read = _rows_if_any(rows, f"SELECT {columns} FROM paretune_versions ORDER BY number")
    return [version_of(row) for row in read]


def read_trial_versions(rows: Rows) -> dict[int, int]:
    """Returns trial -> version, as `Versions.of_trials`, of a database that is only read."""
    read = _rows_if_any(rows, "SELECT trial, version FROM paretune_trial_versions")
    return {row["trial"]: row["version"] for row in read}


def _rows_if_any(rows: Rows, statement: str) -> Iterable[Mapping[str, Any]]:
    try:
        return rows(statement)
    except Exception as error:  # each driver has its own error for a missing table
        if "versions" not in str(error):
            raise
        return ()  # a database of an earlier version of Paretune


_NEWEST = sa.select(sa.func.max(tables.versions.c.number))
_LATER = sa.select(tables.versions.c.changes).where(
    tables.versions.c.number > sa.bindparam("version")
)
_NOTE = sa.insert(tables.trial_versions)
