"""The table of checks of elastic trainings: whether their subnets are of use."""

from __future__ import annotations

import time

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading
from paretune.search.study.elastic_check import ElasticCheck


class ElasticChecks(Tables):
    """The checks of elastic trainings, which all workers of a study share."""

    def check(self, stage: str) -> ElasticCheck | None:
        """Returns the check of a training; None if there is none yet.

        Args:
            stage: Key of the elastic training.
        """
        table = tables.elastic_checks
        statement = sa.select(table.c.content).where(table.c.stage == stage)
        with reading(self.engine) as connection:
            content = connection.execute(statement).scalar_one_or_none()
        return None if content is None else ElasticCheck.from_json(content)

    def of_source(self, lineage: str) -> ElasticCheck | None:
        """Returns the latest check of a source; None if there is none.

        Args:
            lineage: `source_key` of a plan.
        """
        table = tables.elastic_checks
        statement = (
            sa.select(table.c.content)
            .where(table.c.lineage == lineage)
            .order_by(table.c.created.desc())
            .limit(1)
        )
        with reading(self.engine) as connection:
            content = connection.execute(statement).scalar_one_or_none()
        return None if content is None else ElasticCheck.from_json(content)

    def put(self, stage: str, lineage: str, check: ElasticCheck) -> None:
        """Writes a check; it replaces that of the same training."""
        table = tables.elastic_checks
        row = {
            "stage": stage,
            "lineage": lineage,
            "content": check.to_json(),
            "created": time.time(),
        }
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(table.c.stage == stage))
            connection.execute(sa.insert(table), [row])
