"""Trials that race, in the study database: who reached which rung, who waits, who goes on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction
from paretune.search.study.records import Result


@dataclass(frozen=True)
class RungValues:
    """A trial at a rung: the values it had there (None: one was no number), and if it went on."""

    trial: int
    values: Mapping[str, float] | None
    promoted: bool


class Rungs(Tables):
    """The rungs of one study, shared by its workers."""

    def enter(self, trial: int, step: int, values: Mapping[str, float] | None) -> None:
        """A trial has reached a rung; one that is there already is left as it is."""
        table = tables.rungs
        row = {"trial": trial, "step": step, "values": values, "promoted": False}
        with exclusive_transaction(self.engine) as connection:
            there = sa.select(table.c.trial).where(table.c.trial == trial, table.c.step == step)
            if connection.execute(there).first() is None:
                connection.execute(sa.insert(table).values(row))

    def promote(self, trial: int, step: int) -> None:
        """A trial goes on from a rung."""
        with self.engine.begin() as connection:
            connection.execute(_promotion(trial, step))

    def at(self, step: int) -> list[RungValues]:
        """The trials that have reached a rung, by number."""
        return self.all(step).get(step, [])

    def all(self, step: int | None = None) -> dict[int, list[RungValues]]:
        """Step -> the trials that have reached the rung, by number; of one rung, or of all."""
        table = tables.rungs
        statement = sa.select(table).order_by(table.c.trial)
        if step is not None:
            statement = statement.where(table.c.step == step)
        found: dict[int, list[RungValues]] = defaultdict(list)
        with self.engine.connect() as connection:
            for row in connection.execute(statement).mappings():
                found[row["step"]].append(RungValues(row["trial"], row["values"], row["promoted"]))
        return dict(found)

    def promoted_rungs(self, trial: int) -> set[int]:
        """The rungs that a trial has gone on from."""
        table = tables.rungs
        statement = sa.select(table.c.step).where(table.c.trial == trial, table.c.promoted)
        with self.engine.connect() as connection:
            return set(connection.execute(statement).scalars())

    # -- trials that wait ------------------------------------------------------------------------

    def pause(self, trial: int, result: Result) -> None:
        """A running trial waits from now on, for whichever worker takes it up."""
        self._set(
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
        """Rows of the trials that wait, by number."""
        table = tables.trials
        statement = sa.select(table).where(table.c.state == "paused").order_by(table.c.number)
        with self.engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def resume(self, trial: int, step: int | None, worker: str) -> bool:
        """Lets a waiting trial go on with this worker; False when somebody else was quicker.

        Args:
            trial: Its number.
            step: The rung that it goes on from; None where it does so without being among the best.
            worker: Who takes it.
        """
        with self.engine.begin() as connection:
            ours = connection.execute(_change(trial, "paused", state="running", worker=worker))
            if ours.rowcount == 1 and step is not None:
                connection.execute(_promotion(trial, step))
        return ours.rowcount == 1

    def stop(self, trial: int) -> float | None:
        """A waiting trial has ended, with what it was last; gives the time, None if it waits not.

        That is told to everybody who asks for the trials that have ended.
        """
        finished = time.time()
        return finished if self._set(trial, "paused", state="stopped", finished=finished) else None

    def _set(self, trial: int, of: str, **columns: Any) -> bool:
        with self.engine.begin() as connection:
            return connection.execute(_change(trial, of, **columns)).rowcount == 1


def _promotion(trial: int, step: int) -> sa.Update:
    table = tables.rungs
    this = sa.and_(table.c.trial == trial, table.c.step == step)
    return sa.update(table).where(this).values(promoted=True)


def _change(trial: int, of: str, **columns: Any) -> sa.Update:
    """Sets columns of a trial that is in the state `of`."""
    table = tables.trials
    return sa.update(table).where(table.c.number == trial, table.c.state == of).values(columns)
