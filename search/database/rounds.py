"""The rounds of `paretune optimize` in a study database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction


class Rounds(Tables):
    """The rounds of one study database, as JSON."""

    def write(self, number: int, content: Mapping[str, Any]) -> None:
        """Writes a round, or replaces it.

        Args:
            number: Number of the round; 0 measures the baseline.
            content: `RoundLog.to_json` of search/optimizing/round_log.py.
        """
        column = tables.rounds.c.number
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(tables.rounds).where(column == number))
            row = {"number": number, "content": dict(content)}
            connection.execute(sa.insert(tables.rounds).values(row))

    def read(self) -> list[dict[str, Any]]:
        """Returns the rounds in order."""
        statement = sa.select(tables.rounds.c.content).order_by(tables.rounds.c.number)
        with self.engine.connect() as connection:
            return [dict(content) for content in connection.execute(statement).scalars()]
