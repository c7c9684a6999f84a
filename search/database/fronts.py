"""Writes the hypervolume history: the front after each trial that changed it."""

from __future__ import annotations

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.study.records import FrontPoint


def write_front(connection: sa.Connection, point: FrontPoint) -> None:
    """Writes the front after a trial; replaces the trial's earlier entry.

    Args:
        connection: From `base.exclusive_transaction`.
        point: The front.
    """
    connection.execute(_DELETE, {"of": point.trial})
    connection.execute(_INSERT, {**vars(point), "members": list(point.members)})


_DELETE = sa.delete(tables.fronts).where(tables.fronts.c.trial == sa.bindparam("of"))
_INSERT = sa.insert(tables.fronts)
