"""The measurements of the final session, next to those of the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction
from paretune.search.database.trials import measurement_row
from paretune.search.database.versions import newest_of

FINAL = "final"
"""The `part` of these measurements."""


class FinalMeasurements(Tables):
    """The final measurements of one study database."""

    def replace(
        self,
        measured: Mapping[int, Sequence[Measurement]],
        host: str,
        version: int | None = None,
    ) -> None:
        """Replaces the measurements of earlier sessions.

        Args:
            measured: Trial number -> measurements of this session.
            host: Digest of the host that measured.
            version: The version of the study that measured; nothing is written if another process
                began a newer one meanwhile. None to write anyway.
        """
        rows = [
            measurement_row(number, FINAL, m, host) for number, ms in measured.items() for m in ms
        ]
        with exclusive_transaction(self.engine) as connection:
            part = tables.measurements.c.part
            if version is not None and newest_of(connection) > version:
                return
            connection.execute(sa.delete(tables.measurements).where(part == FINAL))
            if rows:
                connection.execute(sa.insert(tables.measurements), rows)
