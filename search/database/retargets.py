"""What finished studies' models were measured at elsewhere: other runtimes, options, machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction
from paretune.search.study.retarget_records import Retargeted


class Retargets(Tables):
    """The table of a study database."""

    def put(self, rows: Sequence[Retargeted]) -> None:
        """Writes what was measured; it replaces what the same setting gave before."""
        table = tables.retargets
        with exclusive_transaction(self.engine) as connection:
            for row in rows:
                same = (table.c.setting == row.setting) & (table.c.trial == row.trial)
                connection.execute(sa.delete(table).where(same))
                measured = {
                    part: {name: m.to_json() for name, m in found.items()}
                    for part, found in row.measured.items()
                }
                connection.execute(sa.insert(table).values({**vars(row), "measured": measured}))

    def of(self, setting: str) -> dict[int, Retargeted]:
        """Trial -> what is stored of it in this setting."""
        return {row.trial: row for row in self._rows(tables.retargets.c.setting == setting)}

    def files(self, runtime: str) -> dict[int, Mapping[str, Any]]:
        """Trial -> an artifact that was made for this runtime before."""
        rows = self._rows(tables.retargets.c.runtime == runtime)
        return {row.trial: row.artifact for row in rows if row.artifact is not None}

    def _rows(self, which: Any) -> list[Retargeted]:
        statement = sa.select(tables.retargets).where(which).order_by(tables.retargets.c.trial)
        with self.engine.connect() as connection:
            rows = list(connection.execute(statement).mappings())
        return [
            Retargeted(
                **{
                    **row,
                    "measured": {
                        part: {name: Measurement(**m) for name, m in found.items()}
                        for part, found in row["measured"].items()
                    },
                }
            )
            for row in rows
        ]
