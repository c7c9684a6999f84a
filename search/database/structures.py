"""The table of structure timings: measurements by the structure of the measured network."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading

COLUMNS = ("name", "value", "unit", "better", "low", "high", "count")
"""The columns that hold a Measurement; its conditions are not kept."""


class Structures(Tables):
    """The table of structures, which all workers of a study share."""

    def measurements(self, key: str) -> dict[str, Measurement]:
        """Returns what was measured of this structure, by quantity without its target."""
        statement = sa.select(tables.structures).where(tables.structures.c.key == key)
        with reading(self.engine) as connection:
            rows = list(connection.execute(statement).mappings())
        return {
            row["name"]: Measurement(
                **{column: row[column] for column in COLUMNS},
                conditions={"untrained": True} if row["trial"] is None else {"trial": row["trial"]},
            )
            for row in rows
        }

    def put(self, key: str, measured: Sequence[Measurement], trial: int | None = None) -> None:
        """Writes measurements of a structure; they replace those of the same quantities.

        Args:
            key: Key of the structure.
            measured: Each quantity once, without its target.
            trial: The trial with the measured network; None for an untrained network.
        """
        owner = {"key": key, "trial": trial}
        rows = [{**owner, **{column: getattr(m, column) for column in COLUMNS}} for m in measured]
        if not rows:
            return
        table = tables.structures
        is_stored = sa.and_(table.c.key == key, table.c.name.in_([m.name for m in measured]))
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(is_stored))
            connection.execute(sa.insert(table), rows)
