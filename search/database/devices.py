"""The devices that a study was measured on, so that another one under the same name is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction


class Devices(Tables):
    """The devices of one study database: target -> facts as JSON."""

    def of(self, target: str | None) -> dict[str, Any]:
        """Returns the facts of a target's device when it was first used; empty if it was not."""
        statement = sa.select(tables.devices.c.facts).where(tables.devices.c.target == _key(target))
        with self.engine.connect() as connection:
            facts = connection.execute(statement).scalar()
        return dict(facts) if facts else {}

    def note(self, target: str | None, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Writes the facts of a target's device, unless there are some; returns those written."""
        row = {"target": _key(target), "facts": json.loads(json.dumps(dict(facts)))}
        with exclusive_transaction(self.engine) as connection:
            statement = sa.select(tables.devices.c.facts)
            present = connection.execute(
                statement.where(tables.devices.c.target == row["target"])
            ).scalar()
            if present:
                return dict(present)
            connection.execute(sa.insert(tables.devices).values(row))
        return dict(row["facts"])


def _key(target: str | None) -> str:
    """Returns the key of a target; a study of one runtime has a target without a name."""
    return target or ""
