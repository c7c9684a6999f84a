"""The tables of trials, their measurements, and the steps that custom trainers reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction, reading
from paretune.search.database.fronts import write_front
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import engine_rows
from paretune.search.database.trial_statements import (
    ABOVE,
    BEGIN_STATE,
    COUNT_SEARCH,
    END,
    END_STATE,
    INSERT,
    INSERT_EXAMPLES,
    INSERT_MEASUREMENTS,
    OWNER,
    SAME_PLAN,
    STEPS,
    UNSEEN,
)
from paretune.search.database.versions import (
    FIRST,
    newest_of,
    note_trial,
    refuse_newer,
    stale_since,
)
from paretune.search.study.plan import Plan
from paretune.search.study.records import FrontPoint, Result, TrialRecord

_T = tables.trials.c

OPEN_STATES = ("running", "paused")
"""States of trials that have not ended."""

ANSWERED = ("complete", "infeasible", "stopped", "paused")
"""States of trials whose plan need not be tried again."""

LEFT = "left"
"""The worker of a running trial whose worker was stopped; no worker has this id."""


class StartedTrial(NamedTuple):
    """A trial that has just started.

    Attributes:
        number: Trial number.
        started: Unix time.
        same: The first earlier trial with the same plan that answers it, or None.
    """

    number: int
    started: float
    same: int | None


ReadNew = Callable[[int, Collection[int]], list[Row]]
"""`Trials.new_trials`, in the transaction that ends a trial."""


class Trials(Tables):
    """The tables of trials, measurements and reported steps.

    Attributes:
        version: The version of the study that this process runs.
        retried: Trials that may be tried again, so that their plans are no repeats.
        outdated: Whether a trial ended here after another process began a newer version.
    """

    version: int = FIRST
    retried: frozenset[int] = frozenset()
    outdated: bool = False

    def begin(
        self,
        number: int,
        worker: str,
        plan: Plan,
        params: Mapping[str, Any],
        proposal: Mapping[str, Any],
    ) -> float:
        """Adds a running trial; returns the time.

        Raises:
            sqlalchemy.exc.IntegrityError: There is a trial of this number.
            NewerVersion: The study has a newer version.
        """
        row = _new_row(worker, plan, params, proposal, None)
        with exclusive_transaction(self.engine) as connection:
            connection.execute(INSERT, {**row, "number": number})
            note_trial(connection, number, self.version)
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
        most: int | None = None,
    ) -> StartedTrial | None:
        """Adds a running trial with the first free number.

        Args:
            number: The lowest number that it may have.
            worker: Id of the worker that runs it.
            plan: Its plan.
            params: Parameter name -> value.
            proposal: The sampler's proposal as JSON.
            variant_of: The trial that trained its network, if it is a format variant; else None.
            later: Whether it may have a higher number.
            most: Number of trials that the search may have; None for no limit. Workers count with
                a delay, so the last word is here, where one of them writes at a time.

        Returns:
            None if another worker is running this plan, or has taken the number and a higher one
            is not allowed, or if the search has its trials. Nothing was written then.

        Raises:
            NewerVersion: The study has a newer version; nothing was written.
        """
        row = _new_row(worker, plan, params, proposal, variant_of)
        while True:
            try:
                with exclusive_transaction(self.engine) as connection:
                    state = {"key": plan.key, "wanted": number}
                    same = connection.execute(BEGIN_STATE, state).mappings().all()
                    if any(trial["state"] == "running" for trial in same):
                        return None
                    if same[0]["is_taken"]:  # by another worker
                        if not later:
                            return None
                        number = same[0]["last"] + 1
                    # A number up to the limit has fewer trials below it: no need to count.
                    if most is not None and number > most and _is_full(connection, most):
                        return None
                    connection.execute(INSERT, {**row, "number": number})
                    note_trial(connection, number, self.version, same[0]["newest"] or FIRST)
                return StartedTrial(number, row["started"], self._first_answer(same))
            except sa.exc.IntegrityError:  # in a database whose transactions are not exclusive
                if not later:
                    return None

    def finish(
        self,
        number: int,
        result: Result,
        host: str,
        front: Callable[[ReadNew], FrontPoint | None] = lambda read_new: None,
        worker: str | None = None,
    ) -> float | None:
        """Writes a trial's end and its measurements in one transaction; returns the time.

        If the study has a newer version meanwhile, its workers complete the trial: the values
        then stay empty, and what the newer version measures with other options is left out.

        Args:
            number: Trial number.
            result: The result of the trial.
            host: Digest of the host that measured.
            front: Returns the front after the trial, or None if the trial does not change it.
                Called once the trial is sure to be this worker's, and again if the connection
                breaks. The database is locked meanwhile, so it must not write. What it raises
                undoes the transaction.
            worker: Id of the worker that ran it; None to write whoever runs it.

        Returns:
            None if another worker has taken the trial over; nothing was written then.
        """
        finished = time.time()
        rows = [measurement_row(number, "validation", m, host) for m in result.measured]
        examples = example_rows(number, "validation", result.measured)
        end = {
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
        with exclusive_transaction(self.engine) as connection:
            runs, state, before, newest = connection.execute(END_STATE, {"of": number}).one()
            if worker is not None:
                if runs != worker:
                    return None
                if state not in OPEN_STATES and before is not None:
                    return float(before)  # written just before the connection broke
            point = front(lambda *seen: _new_rows(connection, *seen))
            connection.execute(END, end)
            if (newest or FIRST) > self.version:
                self.outdated, point = True, None
                stale = stale_since(connection, self.version)
                rows, examples = (
                    [row for row in each if row["name"] not in stale] for each in (rows, examples)
                )
                if result.state == "complete":
                    connection.execute(END, {"of": number, "values": {}})
            if rows:
                connection.execute(INSERT_MEASUREMENTS, rows)
            if examples:
                connection.execute(INSERT_EXAMPLES, examples)
            if point is not None:
                write_front(connection, point)
        return finished

    def is_owner(self, number: int, worker: str) -> bool:
        """Returns whether a worker still runs a trial: another one may have taken it over."""
        with reading(self.engine) as connection:
            runs = connection.execute(OWNER, {"of": number}).scalar_one()
        return bool(runs == worker)

    def add_test(self, number: int, measured: Sequence[Measurement], host: str) -> None:
        """Writes measurements on the test part; replaces earlier ones.

        Nothing is written if another process began a newer version of the study meanwhile.
        """
        rows = {
            tables.measurements: [measurement_row(number, "test", m, host) for m in measured],
            tables.examples: example_rows(number, "test", measured),
        }
        with exclusive_transaction(self.engine) as connection:
            if newest_of(connection) > self.version:
                return
            for table, new in rows.items():
                is_old = (table.c.trial == number) & (table.c.part == "test")
                connection.execute(sa.delete(table).where(is_old))
                if new:
                    connection.execute(sa.insert(table), new)

    def refuse(self, number: int, reason: Mapping[str, str], front: FrontPoint) -> None:
        """Makes a complete trial infeasible, and the trials that repeat its plan.

        Args:
            number: Trial number.
            reason: {"stage", "type", "text"}.
            front: The front without the trial.
        """
        end = {"state": "infeasible", "values": {}, "violations": {}, "reason": dict(reason)}
        repeats = _T.repeat_of == number
        with exclusive_transaction(self.engine) as connection:
            for is_it in (_T.number == number, repeats):
                connection.execute(sa.update(tables.trials).where(is_it).values(end))
            write_front(connection, front)

    def new_trials(self, highest: int, missing: Collection[int]) -> list[Row]:
        """Returns the rows that a worker has not seen, with only the columns that it needs.

        Args:
            highest: The highest number that the worker has seen; all trials above it are new.
            missing: Lower numbers of trials that had not ended when it looked, except paused ones.
        """
        with reading(self.engine) as connection:
            return _new_rows(connection, highest, missing)

    def count_done(self) -> int:
        """Counts the ended trials of the search, without repeats and format variants."""
        statement = (
            sa.select(sa.func.count())
            .select_from(tables.trials)
            .where(
                _T.number > 0,
                _T.state.not_in(OPEN_STATES),
                _T.repeat_of.is_(None),
                _T.variant_of.is_(None),
            )
        )
        with reading(self.engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def states(self) -> dict[int, str]:
        """Returns the state of every trial, in order of number."""
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(_T.number, _T.state))
            return {number: state for number, state in rows}

    def rows(self, numbers: Collection[int]) -> list[Row]:
        """Returns the rows of these trials, in order of number."""
        number = _T.number
        rows: list[Row] = []
        ordered = sorted(numbers)
        with reading(self.engine) as connection:
            for start in range(0, len(ordered), 500):  # databases limit the parameters of a query
                is_in_block = number.in_(ordered[start : start + 500])
                statement = sa.select(tables.trials).where(is_in_block).order_by(number)
                rows += connection.execute(statement).mappings()
        return rows

    def running(self) -> list[Row]:
        """Returns the rows of the running trials, those of dead workers included."""
        statement = sa.select(tables.trials).where(_T.state == "running").order_by(_T.number)
        with reading(self.engine) as connection:
            return list(connection.execute(statement).mappings().all())

    def take_over(self, number: int, old: str | None, new: str) -> bool:
        """Gives the trial of a worker that died or left to another worker.

        Args:
            number: Trial number.
            old: Id of the dead worker, LEFT or None.
            new: Id of the other worker.

        Returns:
            False if a third worker has taken it.

        Raises:
            NewerVersion: The study has a newer version; nothing was written.
        """
        is_owner = _T.worker.is_(None) if old is None else _T.worker == old
        with self.engine.begin() as connection:
            refuse_newer(newest_of(connection), self.version)
            result = connection.execute(
                sa.update(tables.trials)
                .where(_T.number == number, _T.state == "running", is_owner)
                .values(worker=new)
            )
        return result.rowcount == 1

    def leave(self, worker: str) -> None:
        """Leaves the running trials of a worker that ends; the next one takes them over.

        Args:
            worker: Id of the worker.
        """
        is_own = (_T.worker == worker) & (_T.state == "running")
        self._write(sa.update(tables.trials).where(is_own).values(worker=LEFT))

    def hand_over(self, number: int, worker: str, seconds: Mapping[str, float]) -> bool:
        """Leaves a trained trial to a worker that measures.

        Args:
            number: Trial number.
            worker: Id of the worker that has trained it.
            seconds: Stage -> seconds spent so far.

        Returns:
            False if another worker has taken the trial over meanwhile.
        """
        is_own = (_T.number == number) & (_T.state == "running") & (_T.worker == worker)
        left = {"worker": None, "seconds": dict(seconds)}
        with self.engine.begin() as connection:
            result = connection.execute(sa.update(tables.trials).where(is_own).values(left))
        return result.rowcount == 1

    def same_plan(self, plan_key: str) -> int | None:
        """Returns the first trial with this plan that is complete, infeasible, stopped or paused.

        Failed trials are left out, as their errors may not occur again. So are trials that this
        version of the study may try again.
        """
        with reading(self.engine) as connection:
            return self._first_answer(connection.execute(SAME_PLAN, {"key": plan_key}).mappings())

    def _first_answer(self, same: Iterable[Row]) -> int | None:
        """Returns the first of the trials with one plan that answers it, or None."""
        ended = (row for row in same if row["state"] in ANSWERED)
        return next((row["number"] for row in ended if answers(row, self.retried)), None)

    def unmeasured(self) -> list[int]:
        """Returns the complete trials without values, in order; repeats of others left out.

        They lack a quantity that the present version of the study needs.
        """
        is_complete = sa.and_(_T.state == "complete", _T.repeat_of.is_(None))
        statement = sa.select(_T.number, _T["values"]).where(is_complete).order_by(_T.number)
        with reading(self.engine) as connection:
            return [number for number, values in connection.execute(statement) if not values]

    def trial(self, number: int) -> TrialRecord | None:
        """Returns one trial, or None."""
        return StudyReader(engine_rows(self.engine)).trial(number)

    def last_end(self) -> tuple[int, float | None]:
        """Returns how many trials have ended, and the Unix time of the last end."""
        statement = sa.select(sa.func.count(_T.finished), sa.func.max(_T.finished))
        with reading(self.engine) as connection:
            ended, last = connection.execute(statement).one()
        return int(ended), last

    def last_number(self) -> int:
        """Returns the highest trial number; -1 if there are no trials."""
        with reading(self.engine) as connection:
            number = connection.execute(sa.select(sa.func.max(_T.number))).scalar()
        return -1 if number is None else int(number)

    def add_steps(
        self, trial: int, points: Sequence[tuple[int, Mapping[str, float | None], float]]
    ) -> None:
        """Writes steps that a custom trainer reported; replaces earlier reports of these steps.

        Args:
            trial: Trial number.
            points: (step, values by name, seconds since the trial began).
        """
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
        """Returns the rows of the steps that a trial's trainer reported, in order."""
        with reading(self.engine) as connection:
            return list(connection.execute(STEPS, {"of": trial}).mappings())


def answers(row: Row | Mapping[str, Any], retried: Collection[int]) -> bool:
    """Returns whether an ended trial says how its plan does in this version of the study.

    Args:
        row: Its number, state and values.
        retried: Trials that ended by a constraint that is gone or looser now.
    """
    unmeasured = row["state"] == "complete" and not row["values"]
    return not unmeasured and row["number"] not in retried


def measurement_row(trial: int, part: str, m: Measurement, host: str) -> dict[str, Any]:
    """Returns the row of a measurement that was made now."""
    columns = {name: value for name, value in vars(m).items() if name != "per_example"}
    return {**columns, "trial": trial, "part": part, "host": host, "measured_at": time.time()}


def example_rows(trial: int, part: str, measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Returns the rows of the results on each example, for measurements that have them."""
    return [
        {"trial": trial, "part": part, "name": m.name, **vars(m.per_example)}
        for m in measured
        if m.per_example is not None
    ]


def _new_rows(connection: sa.Connection, highest: int, missing: Collection[int]) -> list[Row]:
    if not missing:
        return list(connection.execute(ABOVE, {"highest": highest}).mappings())
    unseen = {"highest": highest, "missing": list(missing)}
    return sorted(connection.execute(UNSEEN, unseen).mappings(), key=itemgetter("number"))


def _new_row(
    worker: str,
    plan: Plan,
    params: Mapping[str, Any],
    proposal: Mapping[str, Any],
    variant_of: int | None,
) -> dict[str, Any]:
    """Returns the row of a running trial, without its number."""
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


def _is_full(connection: sa.Connection, most: int) -> bool:
    """Returns whether the search has its trials, running ones included."""
    return bool(connection.execute(COUNT_SEARCH).scalar_one() >= most)
