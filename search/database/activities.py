"""Writes the table of activity: the trial, stage and epoch of each worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables


class Activities(Tables):
    """The table of activity."""

    def write(self, worker: str, row: Mapping[str, Any]) -> None:
        """Writes what a worker does now; replaces its earlier row.

        Args:
            worker: Id of the worker.
            row: The other columns.
        """
        with self.engine.begin() as connection:
            if not connection.execute(_UPDATE, {**row, "of": worker}).rowcount:
                connection.execute(_INSERT, {**row, "worker": worker})

    def remove(self, worker: str) -> None:
        """Removes the row of a worker that ends."""
        self._write(sa.delete(tables.activity).where(tables.activity.c.worker == worker))


_UPDATE = sa.update(tables.activity).where(tables.activity.c.worker == sa.bindparam("of"))
_INSERT = sa.insert(tables.activity)
