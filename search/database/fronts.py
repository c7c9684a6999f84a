"""Writes the hypervolume history: the front after each trial that changed it."""

from __future__ import annotations

import math

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.study.records import FrontPoint


def write_front(connection: sa.Connection, point: FrontPoint, is_last: bool = True) -> None:
    """Writes the front after a trial; replaces the trial's earlier entry.

    Args:
        connection: From `base.exclusive_transaction`.
        point: The front.
        is_last: Whether it is the last front, whatever the clock of its host says: clocks differ
            and jump. Else its time says where it belongs.
    """
    connection.execute(_DELETE, {"of": point.trial})
    last = connection.execute(_LAST).scalar() if is_last else None
    when = point.time if last is None else max(point.time, math.nextafter(last, math.inf))
    row = {**vars(point), "time": when, "members": list(point.members)}
    connection.execute(_INSERT, row)


_DELETE = sa.delete(tables.fronts).where(tables.fronts.c.trial == sa.bindparam("of"))
_LAST = sa.select(sa.func.max(tables.fronts.c.time))
_INSERT = sa.insert(tables.fronts)
