"""The table of subnet scores: how good subnets of elastic networks are before their finetuning."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading
from paretune.search.study.elastic import SubnetScore


class Subnets(Tables):
    """The subnet scores, which all workers of a study share."""

    def scores(self, source: str) -> list[SubnetScore]:
        """Returns the scores of one source's subnets, the latest training's last.

        Args:
            source: `source_key` of a plan.
        """
        table = tables.subnets
        statement = sa.select(table).where(table.c.lineage == source).order_by(table.c.created)
        with reading(self.engine) as connection:
            rows = list(connection.execute(statement).mappings())
        return [_score(dict(row)) for row in rows]

    def put(self, scores: Sequence[SubnetScore]) -> None:
        """Writes scores; they replace those of the same subnets."""
        rows = [{**asdict(score), "subnet": score.key, "created": time.time()} for score in scores]
        if not rows:
            return
        columns = tables.subnets.c
        [stage] = {score.stage for score in scores}
        is_stored = sa.and_(
            columns.stage == stage, columns.subnet.in_([score.key for score in scores])
        )
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(tables.subnets).where(is_stored))
            connection.execute(sa.insert(tables.subnets), rows)


def _score(row: Mapping[str, Any]) -> SubnetScore:
    return SubnetScore(**{field.name: row[field.name] for field in fields(SubnetScore)})
