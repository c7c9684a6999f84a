"""The table of trainings with other seeds, which all workers of a study share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading
from paretune.search.database.repeat_rows import seed_result
from paretune.search.study.seed_results import SeedResult


class Repeats(Tables):
    """The trainings with other seeds of one study database."""

    def results(self, setting: str) -> dict[int, tuple[SeedResult, ...]]:
        """Returns trial -> its further trainings, in order, of those that hold now.

        Args:
            setting: Digest of the study's seed and of what is measured; rows of another one do not
                hold.
        """
        table = tables.repeats
        statement = sa.select(table).where(table.c.setting == setting)
        with reading(self.engine) as connection:
            rows = connection.execute(statement.order_by(table.c.trial, table.c.repeat)).mappings()
            results: dict[int, tuple[SeedResult, ...]] = {}
            for row in rows:
                results[row["trial"]] = (*results.get(row["trial"], ()), seed_result(dict(row)))
        return results

    def trained_twice(self, names: Sequence[str]) -> list[list[list[float]]]:
        """Returns the objectives of plans that several trials trained, as with another seed before.

        Args:
            names: The objectives.

        Returns:
            For each plan, the values of its trials.
        """
        table = tables.trials
        is_own = sa.and_(
            table.c.state == "complete", table.c.repeat_of.is_(None), table.c.variant_of.is_(None)
        )
        several = (
            sa.select(table.c.plan_key)
            .where(is_own)
            .group_by(table.c.plan_key)
            .having(sa.func.count() > 1)
        )
        statement = sa.select(table.c.plan_key, table.c["values"]).where(
            is_own, table.c.plan_key.in_(several)
        )
        plans: dict[str, list[list[float]]] = {}
        with reading(self.engine) as connection:
            for key, values in connection.execute(statement.order_by(table.c.number)):
                if values and all(name in values for name in names):
                    plans.setdefault(key, []).append([values[name] for name in names])
        return list(plans.values())

    def put(self, trial: int, result: SeedResult, setting: str, host: str) -> None:
        """Writes a training; it replaces an earlier one with the same number."""
        table = tables.repeats
        row = {
            "trial": trial,
            "repeat": result.repeat,
            "setting": setting,
            "state": result.state,
            "content": {
                "validation": _json(result.validation),
                "test": _json(result.test),
            },
            "reason": None if result.reason is None else dict(result.reason),
            "duration": result.seconds,
            "host": host,
            "finished": time.time(),
        }
        same = sa.and_(table.c.trial == trial, table.c.repeat == result.repeat)
        with exclusive_transaction(self.engine) as connection:
            connection.execute(sa.delete(table).where(same))
            connection.execute(sa.insert(table).values(row))

    def keep_only(self, setting: str) -> None:
        """Removes trainings that do not hold any more: those of another setting."""
        self._write(sa.delete(tables.repeats).where(tables.repeats.c.setting != setting))


def _json(measurements: Mapping[str, Measurement]) -> list[dict[str, Any]]:
    return [measurement.to_json() for measurement in measurements.values()]
