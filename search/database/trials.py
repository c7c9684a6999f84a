"""Trials: what was tried, what came of it, and what its trainer reported."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction
from paretune.search.database.fronts import write_front
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import engine_rows
from paretune.search.study.plan import Plan
from paretune.search.study.records import FrontPoint, Result, TrialRecord

OPEN_STATES = ("running", "paused")
"""States of trials that have not ended."""


class StartedTrial(NamedTuple):
    """A trial that runs: its number, since when, and the first trial that answers its plan."""

    number: int
    started: float
    same: int | None


class Trials(Tables):
    """The tables of trials, measurements and reported steps."""

    def begin(
        self,
        number: int,
        worker: str,
        plan: Plan,
        params: Mapping[str, Any],
        proposal: Mapping[str, Any],
    ) -> float:
        """A trial that runs from now on; gives the time.

        Raises:
            sqlalchemy.exc.IntegrityError: There is a trial of this number.
        """
        row = _begun(worker, plan, params, proposal, None)
        with self.engine.begin() as connection:
            connection.execute(_BEGIN, {**row, "number": number})
        return float(row["started"])

    def begin_next(
        self,
        number: int,
        worker: str,
        plan: Plan,
        params: Mapping[str, Any],
        proposal: Mapping[str, Any],
        variant_of: int | None = None,
        later: bool = True,
    ) -> StartedTrial | None:
        """As `begin`, with the first free number from this one on.

        Args:
            number: The number wanted.
            worker: Whose trial it is.
            plan: What to do.
            params: Parameter name -> value.
            proposal: What the sampler said, as JSON.
            variant_of: The trial whose variant_of it is.
            later: Whether a later number will do.

        Returns:
            None when another worker is at this plan at the moment, or has taken the number and a
            later one will not do: then nothing was written.
        """
        row = _begun(worker, plan, params, proposal, variant_of)
        key = {"key": plan.key}
        while True:
            try:
                with exclusive_transaction(self.engine) as connection:
                    if connection.execute(_RUNNING_PLAN, key).first():
                        return None
                    connection.execute(_BEGIN, {**row, "number": number})
                    first = connection.execute(_SAME_PLAN, key).scalars().first()
                return StartedTrial(number, row["started"], first)
            except sa.exc.IntegrityError:  # another worker was quicker
                if not later:
                    return None
                number = max(number, self.last_number()) + 1

    def finish(
        self, number: int, result: Result, host: str, front: FrontPoint | None = None
    ) -> float:
        """A trial's end with all that was measured, in one transaction; gives the time.

        Args:
            number: Of the trial.
            result: What came of it.
            host: Where it was measured.
            front: The front after it, where it changed it.
        """
        finished = time.time()
        rows = [measurement_row(number, "validation", m, host) for m in result.measured]
        ended = {
            "of": number,
            "state": result.state,
            "values": dict(result.values),
            "violations": dict(result.violations),
            "reason": result.reason,
            "finished": finished,
            "seconds": dict(result.seconds),
            "cached": list(result.cached),
            "artifact": result.artifact,
            "artifacts": dict(result.artifacts) or None,
            "repeat_of": result.repeat_of,
        }
        writing = self.engine.begin() if front is None else exclusive_transaction(self.engine)
        with writing as connection:
            if rows:
                connection.execute(_MEASURED, rows)
            connection.execute(_END, ended)
            if front is not None:
                write_front(connection, front)
        return finished

    def add_test(self, number: int, measured: Sequence[Measurement], host: str) -> None:
        """Measurements on the test part; replaces earlier ones."""
        with exclusive_transaction(self.engine) as connection:
            connection.execute(
                sa.delete(tables.measurements).where(
                    tables.measurements.c.trial == number, tables.measurements.c.part == "test"
                )
            )
            connection.execute(
                sa.insert(tables.measurements),
                [measurement_row(number, "test", m, host) for m in measured],
            )

    def new_trials(self, highest: int, missing: Collection[int]) -> list[Row]:
        """The trials above a number, and those among the missing numbers that do not wait.

        What a worker has to know of the others' and of earlier trials (`_NEWS`), and no more.
        """
        # Two statements, as SQLite reads the whole table for an OR of the two.
        with self.engine.connect() as connection:
            late = connection.execute(_MISSED, {"missing": list(missing)}) if missing else None
            found = list(late.mappings()) if late else []
            return [*found, *connection.execute(_ABOVE, {"highest": highest}).mappings()]

    def count_done(self) -> int:
        """Finished trials of the search that repeat no other and are no siblings."""
        statement = (
            sa.select(sa.func.count())
            .select_from(tables.trials)
            .where(
                tables.trials.c.number > 0,
                tables.trials.c.state.not_in(OPEN_STATES),
                tables.trials.c.repeat_of.is_(None),
                tables.trials.c.variant_of.is_(None),
            )
        )
        with self.engine.connect() as connection:
            return int(connection.execute(statement).scalar_one())

    def states(self) -> dict[int, str]:
        """Number -> state of every trial."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(tables.trials.c.number, tables.trials.c.state))
            return {number: state for number, state in found}

    def rows(self, numbers: Collection[int]) -> list[Row]:
        """Rows of these trials, by number."""
        number = tables.trials.c.number
        found: list[Row] = []
        wanted = sorted(numbers)
        with self.engine.connect() as connection:
            for first in range(0, len(wanted), 500):  # databases bound the parameters of one query
                some = number.in_(wanted[first : first + 500])
                statement = sa.select(tables.trials).where(some).order_by(number)
                found += connection.execute(statement).mappings()
        return found

    def running(self) -> list[Row]:
        """Rows of the trials that run, or ran when their worker died."""
        statement = (
            sa.select(tables.trials)
            .where(tables.trials.c.state == "running")
            .order_by(tables.trials.c.number)
        )
        with self.engine.connect() as connection:
            return list(connection.execute(statement).mappings().all())

    def take_over(self, number: int, old: str | None, new: str) -> bool:
        """Makes a dead worker's trial ours; False when somebody else was quicker."""
        same = tables.trials.c.worker.is_(None) if old is None else tables.trials.c.worker == old
        with self.engine.begin() as connection:
            result = connection.execute(
                sa.update(tables.trials)
                .where(tables.trials.c.number == number, tables.trials.c.state == "running", same)
                .values(worker=new)
            )
        return result.rowcount == 1

    def same_plan(self, plan_key: str) -> int | None:
        """The first trial with this plan that was measured, found infeasible or held up."""
        with self.engine.connect() as connection:
            return connection.execute(_SAME_PLAN, {"key": plan_key}).scalars().first()

    def trial(self, number: int) -> TrialRecord | None:
        """One trial, or None."""
        return StudyReader(engine_rows(self.engine)).trial(number)

    def last_number(self) -> int:
        """The highest trial number, -1 when there is none."""
        with self.engine.connect() as connection:
            number = connection.execute(sa.select(sa.func.max(tables.trials.c.number))).scalar()
        return -1 if number is None else int(number)

    def add_steps(
        self, trial: int, points: Sequence[tuple[int, Mapping[str, float | None], float]]
    ) -> None:
        """Steps that the user's own trainer reported; one told again replaces its entry."""
        rows = {
            step: {"trial": trial, "step": step, "values": dict(values), "seconds": seconds}
            for step, values, seconds in points
        }
        steps = tables.steps
        with exclusive_transaction(self.engine) as connection:
            connection.execute(
                sa.delete(steps).where(steps.c.trial == trial, steps.c.step.in_(rows))
            )
            connection.execute(sa.insert(steps), list(rows.values()))

    def steps(self, trial: int) -> list[Row]:
        """Rows of what a trial's trainer reported, by step."""
        with self.engine.connect() as connection:
            return list(connection.execute(_STEPS, {"of": trial}).mappings())


def measurement_row(trial: int, part: str, m: Measurement, host: str) -> dict[str, Any]:
    """A row of the measurements, taken now."""
    return {**vars(m), "trial": trial, "part": part, "host": host, "measured_at": time.time()}


def _begun(
    worker: str,
    plan: Plan,
    params: Mapping[str, Any],
    proposal: Mapping[str, Any],
    variant_of: int | None,
) -> dict[str, Any]:
    """A row of a trial that runs from now on, but for its number."""
    return {
        "state": "running",
        "worker": worker,
        "plan": plan.to_json(),
        "plan_key": plan.key,
        "params": dict(params),
        "proposal": dict(proposal),
        "started": time.time(),
        "variant_of": variant_of,
    }


# -- statements of every trial, made once: to make one takes longer than to execute it -------------

_T = tables.trials.c

_BEGIN = sa.insert(tables.trials)

_MEASURED = sa.insert(tables.measurements)

_END = sa.update(tables.trials).where(_T.number == sa.bindparam("of"))

_SAME_PLAN = (
    sa.select(_T.number)
    .where(
        _T.plan_key == sa.bindparam("key"),
        _T.state.in_(["complete", "infeasible", "stopped", "paused"]),
        _T.repeat_of.is_(None),
    )
    .order_by(_T.number)
    .limit(1)
)

_RUNNING_PLAN = (
    sa.select(_T.number).where(_T.plan_key == sa.bindparam("key"), _T.state == "running").limit(1)
)

_STEPS = (
    sa.select(tables.steps)
    .where(tables.steps.c.trial == sa.bindparam("of"))
    .order_by(tables.steps.c.step)
)

_NEWS = sa.select(
    *(_T.number, _T.state, _T.worker, _T.params, _T.proposal, _T["values"], _T.violations),
    *(_T.reason, _T.seconds, _T.repeat_of, _T.variant_of),
).order_by(_T.number)

_ABOVE = _NEWS.where(_T.number > sa.bindparam("highest"))

_MISSED = _NEWS.where(_T.number.in_(sa.bindparam("missing", expanding=True)), _T.state != "paused")
