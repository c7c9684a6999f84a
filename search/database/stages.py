"""Stages: what training stages made, what it cost, and where it lies."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction
from paretune.search.database.counts import DROPPED


class Stages(Tables):
    """The tables of stages and learning curves."""

    def add_stage(self, **columns: Any) -> None:
        """A stage that now lies in the cache; made again, it replaces its entry."""
        with exclusive_transaction(self.engine) as connection:
            connection.execute(
                sa.delete(tables.stages).where(tables.stages.c.key == columns["key"])
            )
            connection.execute(sa.insert(tables.stages).values(created=time.time(), **columns))

    def cached_stages(self) -> list[Row]:
        """Rows of the stages that lie in the cache."""
        statement = sa.select(tables.stages).where(tables.stages.c.file != DROPPED)
        with self.engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def cached_bytes(self) -> int:
        """What the stages in the cache take, in bytes."""
        total = sa.select(sa.func.sum(tables.stages.c.bytes)).where(tables.stages.c.file != DROPPED)
        with self.engine.connect() as connection:
            return int(connection.execute(total).scalar() or 0)

    def mark_dropped(self, keys: Collection[str]) -> None:
        """Notes that these lie in the cache no more."""
        if keys:
            self._write(
                sa.update(tables.stages)
                .where(tables.stages.c.key.in_(list(keys)))
                .values(file=DROPPED)
            )

    def add_curve(self, key: str, points: Sequence[Mapping[str, Any]]) -> None:
        """The learning curve of a stage: [{"epoch", "loss", "accuracy", "seconds"}, ...]."""
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(tables.curves).where(tables.curves.c.stage_key == key))
            if points:
                connection.execute(
                    sa.insert(tables.curves), [{"stage_key": key, **point} for point in points]
                )
