"""What the groups of tables have in common."""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

Row: TypeAlias = sa.RowMapping
"""Column name -> value."""


class Tables:
    """Some tables of one study database.

    Args:
        engine: From `tables.open_engine`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def _write(self, statement: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement)
