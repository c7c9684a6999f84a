"""The studies from which `paretune run --from` took something over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction

HINTS = "hints"
"""Key of an origin's content: its plans to try first, parameter name -> value."""

_O = tables.origins.c


class Origins(Tables):
    """The table of origins of one study database."""

    def add(self, name: str, plans: Sequence[Mapping[str, Any]], **facts: Any) -> int:
        """Writes what was taken over from a study; plans that were taken before stay.

        Args:
            name: Key of the other study.
            plans: Plans to try first.
            **facts: Other facts, as JSON; they replace earlier ones.

        Returns:
            How many of the plans are new.
        """
        with exclusive_transaction(self.engine) as connection:
            row = connection.execute(sa.select(_O.content).where(_O.name == name)).scalar()
            earlier = list((row or {}).get(HINTS, ()))
            new = [dict(plan) for plan in plans if dict(plan) not in earlier]
            content = {**facts, HINTS: [*earlier, *new]}
            connection.execute(sa.delete(tables.origins).where(_O.name == name))
            connection.execute(sa.insert(tables.origins).values(name=name, content=content))
        return len(new)

    def hints(self) -> list[Mapping[str, Any]]:
        """Returns the plans to try first of all origins, in the order of their names."""
        statement = sa.select(_O.content).order_by(_O.name)
        with self.engine.connect() as connection:
            contents = connection.execute(statement).scalars()
            return [plan for content in contents for plan in content[HINTS]]
