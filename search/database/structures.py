"""Structures: what is known of networks by their structure, so that a known one is not measured."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction

COLUMNS = ("name", "value", "unit", "better", "low", "high", "count")
"""Of a Measurement."""


class Structures(Tables):
    """The table of structures, shared by all workers of a study."""

    def known(self, key: str) -> dict[str, Measurement]:
        """Quantity, without its target -> what was measured of this structure."""
        statement = sa.select(tables.structures).where(tables.structures.c.key == key)
        with self.engine.connect() as connection:
            rows = list(connection.execute(statement).mappings())
        return {
            row["name"]: Measurement(
                **{column: row[column] for column in COLUMNS},
                conditions={"untrained": True} if row["trial"] is None else {"trial": row["trial"]},
            )
            for row in rows
        }

    def note(self, key: str, measured: Sequence[Measurement], trial: int | None = None) -> None:
        """Keeps what was measured of a structure, in place of what was known.

        Args:
            key: Of the structure.
            measured: Each quantity once, without its target.
            trial: Whose trained network it was; None for an untrained one.
        """
        own = {"key": key, "trial": trial}
        rows = [{**own, **{column: getattr(m, column) for column in COLUMNS}} for m in measured]
        if not rows:
            return
        table = tables.structures
        same = sa.and_(table.c.key == key, table.c.name.in_([m.name for m in measured]))
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(same))
            connection.execute(sa.insert(table), rows)
