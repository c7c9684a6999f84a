"""The table of rungs: which trials reached a rung, with which values, and which were promoted."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction, reading
from paretune.search.study.records import Result


@dataclass(frozen=True)
class RungValues:
    """A trial at a rung.

    Attributes:
        trial: Trial number.
        values: Objective name -> value at the rung; None if a value was not a number.
        promoted: Whether the trial was promoted, so that it trains beyond the rung.
    """

    trial: int
    values: Mapping[str, float] | None
    promoted: bool


class Rungs(Tables):
    """The rungs of one study; all its workers share them."""

    def enter(self, trial: int, step: int, values: Mapping[str, float] | None) -> None:
        """Stores that a trial has reached a rung; does nothing if that is stored already."""
        table = tables.rungs
        row = {"trial": trial, "step": step, "values": values, "promoted": False}
        with exclusive_transaction(self.engine) as connection:
            stored = sa.select(table.c.trial).where(table.c.trial == trial, table.c.step == step)
            if connection.execute(stored).first() is None:
                connection.execute(sa.insert(table).values(row))

    def promote(self, trial: int, step: int) -> None:
        """Lets a trial train beyond a rung."""
        with self.engine.begin() as connection:
            connection.execute(_promotion(trial, step))

    def at(self, step: int) -> list[RungValues]:
        """Returns the trials that have reached a rung, in order of number."""
        return self.all(step).get(step, [])

    def all(self, step: int | None = None) -> dict[int, list[RungValues]]:
        """Returns step -> the trials that have reached the rung, in order of number.

        Args:
            step: Only this rung; None for all.
        """
        table = tables.rungs
        statement = sa.select(table).order_by(table.c.trial)
        if step is not None:
            statement = statement.where(table.c.step == step)
        rungs: dict[int, list[RungValues]] = defaultdict(list)
        with reading(self.engine) as connection:
            for row in connection.execute(statement).mappings():
                rungs[row["step"]].append(RungValues(row["trial"], row["values"], row["promoted"]))
        return dict(rungs)

    def promoted_rungs(self, trial: int) -> set[int]:
        """Returns the rungs from which a trial was promoted."""
        table = tables.rungs
        statement = sa.select(table.c.step).where(table.c.trial == trial, table.c.promoted)
        with reading(self.engine) as connection:
            return set(connection.execute(statement).scalars())

    # -- paused trials ---------------------------------------------------------------------------

    def pause(self, trial: int, result: Result) -> None:
        """Pauses a running trial; any worker may resume it."""
        self._change(
            trial,
            "running",
            state="paused",
            worker=None,
            values=dict(result.values),
            violations=dict(result.violations),
            reason=result.reason,
            seconds=dict(result.seconds),
        )

    def paused_trials(self) -> list[Row]:
        """Returns the rows of the paused trials, in order of number."""
        table = tables.trials
        statement = sa.select(table).where(table.c.state == "paused").order_by(table.c.number)
        with reading(self.engine) as connection:
            return list(connection.execute(statement).mappings())

    def resume(self, trial: int, step: int | None, worker: str) -> bool:
        """Gives a paused trial to a worker.

        Args:
            trial: Trial number.
            step: The rung from which the trial is promoted; None if it goes on without promotion.
            worker: Id of the worker.

        Returns:
            False if the trial is no longer paused: another worker was faster.
        """
        with self.engine.begin() as connection:
            change = connection.execute(_change(trial, "paused", state="running", worker=worker))
            if change.rowcount == 1 and step is not None:
                connection.execute(_promotion(trial, step))
        return change.rowcount == 1

    def stop(self, trial: int) -> float | None:
        """Ends a paused trial with its last values.

        Returns:
            Unix time of the end; None if the trial is no longer paused.
        """
        finished = time.time()
        stopped = self._change(trial, "paused", state="stopped", finished=finished)
        return finished if stopped else None

    def _change(self, trial: int, in_state: str, **columns: Any) -> bool:
        with self.engine.begin() as connection:
            return connection.execute(_change(trial, in_state, **columns)).rowcount == 1


def _promotion(trial: int, step: int) -> sa.Update:
    table = tables.rungs
    is_entry = sa.and_(table.c.trial == trial, table.c.step == step)
    return sa.update(table).where(is_entry).values(promoted=True)


def _change(trial: int, in_state: str, **columns: Any) -> sa.Update:
    """Returns the SQL that changes a trial's columns if the trial is in this state."""
    table = tables.trials
    is_trial = sa.and_(table.c.number == trial, table.c.state == in_state)
    return sa.update(table).where(is_trial).values(columns)
