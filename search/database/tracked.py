"""The tables of trackers: the epochs of each trial, and what each tracker has received."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction, reading
from paretune.search.database.engine import create_tables

STUDY = -1
"""The number that stands for the study, among those of trials."""

STALE = 300.0
"""Seconds after which another process may create a run that a process has begun to create."""


class Tracked(Tables):
    """What trackers have received, and epochs that they will receive."""

    def make_tables(self) -> None:
        """Makes the tables in a database of an older Paretune."""
        create_tables(self.engine, [tables.epochs, tables.tracked])

    def add_epoch(self, trial: int, stage: str, epoch: int, values: Mapping[str, Any]) -> None:
        """Writes an epoch of a trial; replaces that of an interrupted attempt."""
        table = tables.epochs
        row = {"trial": trial, "stage": stage, "epoch": epoch}
        same = sa.and_(*(table.c[name] == value for name, value in row.items()))
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(same))
            connection.execute(
                sa.insert(table), {**row, "values": dict(values), "time": time.time()}
            )

    def epochs(self, trial: int) -> list[Row]:
        """Returns the epochs of a trial, in order of time."""
        table = tables.epochs
        statement = sa.select(table).where(table.c.trial == trial).order_by(table.c.time)
        with reading(self.engine) as connection:
            return list(connection.execute(statement).mappings())

    def rows(self, tracker: str) -> dict[int, Row]:
        """Returns trial -> row of what a tracker has received; the study has the number -1."""
        table = tables.tracked
        statement = sa.select(table).where(table.c.tracker == tracker)
        with reading(self.engine) as connection:
            return {row["trial"]: row for row in connection.execute(statement).mappings()}

    def claim(self, tracker: str, trial: int) -> bool:
        """Takes the right to create a run; returns False if another process has it."""
        table, now = tables.tracked, time.time()
        is_it = (table.c.tracker == tracker) & (table.c.trial == trial)
        with exclusive_transaction(self.engine) as connection:
            row = connection.execute(sa.select(table).where(is_it)).mappings().first()
            if row is not None:
                if row["run"] is not None or now - row["time"] < STALE:
                    return False
                connection.execute(sa.update(table).where(is_it).values(time=now))
                return True
            empty = {"run": None, "sent": "", "files": "", "time": now}
            connection.execute(sa.insert(table), {"tracker": tracker, "trial": trial, **empty})
            return True

    def release(self, tracker: str, trial: int) -> None:
        """Gives back a claim whose run could not be created."""
        table = tables.tracked
        is_it = (table.c.tracker == tracker) & (table.c.trial == trial)
        self._write(sa.delete(table).where(is_it, table.c.run.is_(None)))

    def update(self, tracker: str, trial: int, **columns: Any) -> None:
        """Sets columns of a row."""
        table = tables.tracked
        is_it = (table.c.tracker == tracker) & (table.c.trial == trial)
        self._write(sa.update(table).where(is_it).values(time=time.time(), **columns))
