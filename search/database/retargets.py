"""The table of retargeting: stored models measured on other runtimes, options and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction
from paretune.search.study.retarget_records import RetargetedTrial


class Retargets(Tables):
    """The table of a study database."""

    def put(self, rows: Sequence[RetargetedTrial]) -> None:
        """Writes measurements; they replace those of the same setting and trial."""
        table = tables.retargets
        with exclusive_transaction(self.engine) as connection:
            for row in rows:
                is_row = (table.c.setting == row.setting) & (table.c.trial == row.trial)
                connection.execute(sa.delete(table).where(is_row))
                measured = {
                    part: {name: m.to_json() for name, m in measurements.items()}
                    for part, measurements in row.measured.items()
                }
                connection.execute(sa.insert(table).values({**vars(row), "measured": measured}))

    def by_trial(self, setting: str) -> dict[int, RetargetedTrial]:
        """Returns what is stored of this setting, by trial number."""
        return {row.trial: row for row in self._select(tables.retargets.c.setting == setting)}

    def artifacts(self, runtime: str) -> dict[int, Mapping[str, Any]]:
        """Returns artifacts that were built earlier for this runtime, by trial number."""
        rows = self._select(tables.retargets.c.runtime == runtime)
        return {row.trial: row.artifact for row in rows if row.artifact is not None}

    def _select(self, condition: Any) -> list[RetargetedTrial]:
        statement = sa.select(tables.retargets).where(condition).order_by(tables.retargets.c.trial)
        with self.engine.connect() as connection:
            rows = list(connection.execute(statement).mappings())
        return [RetargetedTrial(**{**row, "measured": _measured(row["measured"])}) for row in rows]


def _measured(parts: Mapping[str, Any]) -> dict[str, dict[str, Measurement]]:
    """Returns part -> quantity -> measurement, from its JSON."""
    return {
        part: {name: Measurement(**m) for name, m in measurements.items()}
        for part, measurements in parts.items()
    }
