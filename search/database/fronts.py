"""The front after each trial that changed it, in the study database."""

from __future__ import annotations

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.study.records import FrontPoint


def write_front(connection: sa.Connection, point: FrontPoint) -> None:
    """Writes a front; a trial told twice replaces its entry (`base.replacing`)."""
    connection.execute(_OLD, {"of": point.trial})
    connection.execute(_NEW, {**vars(point), "members": list(point.members)})


_OLD = sa.delete(tables.fronts).where(tables.fronts.c.trial == sa.bindparam("of"))
_NEW = sa.insert(tables.fronts)
