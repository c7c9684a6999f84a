"""The tables of training stages: what each stage cost, and which file in the cache holds it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction, reading
from paretune.search.database.counts import DROPPED


class Stages(Tables):
    """The tables of stages and learning curves."""

    def add_stage(self, **columns: Any) -> None:
        """Adds a stage that is in the cache now; replaces the row with the same key."""
        with exclusive_transaction(self.engine) as connection:
            connection.execute(
                sa.delete(tables.stages).where(tables.stages.c.key == columns["key"])
            )
            connection.execute(sa.insert(tables.stages).values(created=time.time(), **columns))

    def cached_stages(self) -> list[Row]:
        """Returns the rows of the stages in the cache."""
        statement = sa.select(tables.stages).where(tables.stages.c.file != DROPPED)
        with reading(self.engine) as connection:
            return list(connection.execute(statement).mappings())

    def cached_bytes(self) -> int:
        """Returns the size of the stages in the cache, in bytes."""
        total = sa.select(sa.func.sum(tables.stages.c.bytes)).where(tables.stages.c.file != DROPPED)
        with reading(self.engine) as connection:
            return int(connection.execute(total).scalar() or 0)

    def mark_dropped(self, keys: Collection[str]) -> None:
        """Marks stages as no longer in the cache."""
        if keys:
            self._write(
                sa.update(tables.stages)
                .where(tables.stages.c.key.in_(list(keys)))
                .values(file=DROPPED)
            )

    def remove_stages(self, keys: Collection[str]) -> None:
        """Removes the rows of snapshots; the complete stage has their cost."""
        if keys:
            self._write(sa.delete(tables.stages).where(tables.stages.c.key.in_(list(keys))))

    def add_curve(self, key: str, points: Sequence[Mapping[str, Any]]) -> None:
        """Writes the learning curve of a stage; replaces an earlier one.

        Args:
            key: Key of the stage.
            points: [{"epoch", "loss", "accuracy", "seconds"}, ...].
        """
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(tables.curves).where(tables.curves.c.stage_key == key))
            if points:
                connection.execute(
                    sa.insert(tables.curves), [{"stage_key": key, **point} for point in points]
                )
