"""The study database: records in, records out. Knows no Optuna (search/database/mirror.py does)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa

from objectives.base import Measurement
from search.database import tables
from search.errors import UserError
from search.growth import with_volumes
from search.plan import Plan
from search.records import Axis, FrontPoint, Result, StudyRecord, TrialRecord

Row: TypeAlias = sa.RowMapping
"""Column name -> value."""

OPEN = ("running", "paused")
"""States of trials that have not ended."""


class Store:
    """Our tables of one study database.

    Args:
        engine: From `tables.open_engine`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    # -- the study -------------------------------------------------------------------------------

    def study(self) -> Row | None:
        """The study's row, or None in a database that has none.

        Raises:
            UserError: The tables are of another version of Paretune.
        """
        if not sa.inspect(self._engine).has_table(tables.studies.name):
            return None
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(tables.studies)).mappings().first()
        if row is not None and row["schema"] != tables.SCHEMA:
            raise UserError(
                f"storage: the tables are of version {row['schema']}, this Paretune writes "
                f"{tables.SCHEMA}; give the study another storage"
            )
        return row

    def create_study(
        self,
        name: str,
        source: Mapping[str, Any],
        identity: Mapping[str, Any],
        axes: Sequence[Axis],
    ) -> None:
        """Writes the study's row; a second worker that comes at the same moment finds it there."""
        values = {
            "id": 1,
            "name": name,
            "schema": tables.SCHEMA,
            "created": time.time(),
            "source": source,
            "identity": identity,
            "axes": [vars(axis) for axis in axes],
            "info": {},
        }
        try:
            self._write(sa.insert(tables.studies).values(values))
        except sa.exc.IntegrityError:
            return

    def update_study(self, **columns: Any) -> None:
        """Sets columns of the study's row."""
        self._write(sa.update(tables.studies).values(columns))

    # -- trials ----------------------------------------------------------------------------------

    def begin(
        self,
        number: int,
        worker: str,
        plan: Plan,
        params: Mapping[str, Any],
        proposal: Mapping[str, Any],
        sibling: int | None = None,
    ) -> float:
        """A trial that runs from now on; gives the time.

        Raises:
            sqlalchemy.exc.IntegrityError: There is a trial of this number.
        """
        started = time.time()
        self._write(
            sa.insert(tables.trials).values(
                number=number,
                state="running",
                worker=worker,
                plan=plan.to_json(),
                plan_key=plan.key,
                params=dict(params),
                proposal=dict(proposal),
                started=started,
                sibling=sibling,
            )
        )
        return started

    def begin_next(
        self,
        number: int,
        worker: str,
        plan: Plan,
        params: Mapping[str, Any],
        proposal: Mapping[str, Any],
        sibling: int | None = None,
    ) -> tuple[int, float]:
        """As `begin`, with the first free number from this one on; gives number and time."""
        while True:
            try:
                return number, self.begin(number, worker, plan, params, proposal, sibling)
            except sa.exc.IntegrityError:  # another worker was quicker
                number = max(number, self.last_number()) + 1

    def finish(self, number: int, result: Result, host: str) -> float:
        """A trial's end with all that was measured, in one transaction; gives the time."""
        finished = time.time()
        rows = [measurement_row(number, "validation", m, host) for m in result.measured]
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sa.insert(tables.measurements), rows)
            connection.execute(
                sa.update(tables.trials)
                .where(tables.trials.c.number == number)
                .values(
                    state=result.state,
                    values=dict(result.values),
                    violations=dict(result.violations),
                    reason=result.reason,
                    finished=finished,
                    seconds=dict(result.seconds),
                    cached=list(result.cached),
                    artifact=result.artifact,
                    artifacts=dict(result.artifacts) or None,
                    repeats=result.repeats,
                )
            )
        return finished

    def add_test(self, number: int, measured: Sequence[Measurement], host: str) -> None:
        """Measurements on the test part; replaces earlier ones."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(tables.measurements).where(
                    tables.measurements.c.trial == number, tables.measurements.c.part == "test"
                )
            )
            connection.execute(
                sa.insert(tables.measurements),
                [measurement_row(number, "test", m, host) for m in measured],
            )

    def finished_beyond(self, highest: int, missing: Collection[int]) -> list[Row]:
        """Rows of the finished trials above a number, and of those among the missing numbers."""
        number = tables.trials.c.number
        finished = (
            sa.select(tables.trials).where(tables.trials.c.state.not_in(OPEN)).order_by(number)
        )
        # Two statements, as SQLite reads the whole table for an OR of the two.
        statements = [finished.where(number.in_(missing))] if missing else []
        with self._engine.connect() as connection:
            return [
                row
                for statement in (*statements, finished.where(number > highest))
                for row in connection.execute(statement).mappings()
            ]

    def count_done(self) -> int:
        """Finished trials of the search that repeat no other and are no siblings."""
        statement = (
            sa.select(sa.func.count())
            .select_from(tables.trials)
            .where(
                tables.trials.c.number > 0,
                tables.trials.c.state.not_in(OPEN),
                tables.trials.c.repeats.is_(None),
                tables.trials.c.sibling.is_(None),
            )
        )
        with self._engine.connect() as connection:
            return int(connection.execute(statement).scalar_one())

    def states(self) -> dict[int, str]:
        """Number -> state of every trial."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(tables.trials.c.number, tables.trials.c.state))
            return {number: state for number, state in found}

    def rows(self, numbers: Collection[int]) -> list[Row]:
        """Rows of these trials, by number."""
        number = tables.trials.c.number
        found: list[Row] = []
        wanted = sorted(numbers)
        with self._engine.connect() as connection:
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
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings().all())

    def take_over(self, number: int, old: str | None, new: str) -> bool:
        """Makes a dead worker's trial ours; False when somebody else was quicker."""
        same = tables.trials.c.worker.is_(None) if old is None else tables.trials.c.worker == old
        with self._engine.begin() as connection:
            result = connection.execute(
                sa.update(tables.trials)
                .where(tables.trials.c.number == number, tables.trials.c.state == "running", same)
                .values(worker=new)
            )
        return result.rowcount == 1

    def same_plan(self, plan_key: str) -> int | None:
        """The first trial with this plan that was measured, found infeasible or held up."""
        statement = (
            sa.select(tables.trials.c.number)
            .where(
                tables.trials.c.plan_key == plan_key,
                tables.trials.c.state.in_(["complete", "pruned", "paused"]),
                tables.trials.c.repeats.is_(None),
            )
            .order_by(tables.trials.c.number)
        )
        with self._engine.connect() as connection:
            return connection.execute(statement).scalars().first()

    def trial(self, number: int) -> TrialRecord | None:
        """One trial, or None."""
        found = self._trials(number)
        return found[0] if found else None

    def last_number(self) -> int:
        """The highest trial number, -1 when there is none."""
        with self._engine.connect() as connection:
            number = connection.execute(sa.select(sa.func.max(tables.trials.c.number))).scalar()
        return -1 if number is None else int(number)

    # -- the front -------------------------------------------------------------------------------

    def add_front(self, point: FrontPoint) -> None:
        """The front after a trial that changed it; a trial told twice replaces its entry."""
        row = {**vars(point), "members": list(point.members)}
        with self._engine.begin() as connection:
            connection.execute(sa.delete(tables.fronts).where(tables.fronts.c.trial == point.trial))
            connection.execute(sa.insert(tables.fronts).values(row))

    # -- stages ----------------------------------------------------------------------------------

    def add_stage(self, **columns: Any) -> None:
        """A stage that now lies in the cache; made again, it replaces its entry."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(tables.stages).where(tables.stages.c.key == columns["key"])
            )
            connection.execute(sa.insert(tables.stages).values(created=time.time(), **columns))

    def add_curve(self, key: str, points: Sequence[Mapping[str, Any]]) -> None:
        """The learning curve of a stage: [{"epoch", "loss", "accuracy", "seconds"}, ...]."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(tables.curves).where(tables.curves.c.stage_key == key))
            if points:
                connection.execute(
                    sa.insert(tables.curves), [{"stage_key": key, **point} for point in points]
                )

    def add_steps(
        self, trial: int, points: Sequence[tuple[int, Mapping[str, float | None], float]]
    ) -> None:
        """Steps that the user's own trainer reported; one told again replaces its entry."""
        rows = {
            step: {"trial": trial, "step": step, "values": dict(values), "seconds": seconds}
            for step, values, seconds in points
        }
        steps = tables.steps
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(steps).where(steps.c.trial == trial, steps.c.step.in_(rows))
            )
            connection.execute(sa.insert(steps), list(rows.values()))

    def steps(self, trial: int) -> list[Row]:
        """Rows of what a trial's trainer reported, by step."""
        steps = tables.steps
        statement = sa.select(steps).where(steps.c.trial == trial).order_by(steps.c.step)
        with self._engine.connect() as connection:
            return list(connection.execute(statement).mappings())

    def stage_cost(self) -> dict[str, float]:
        """Key -> seconds that each cached stage took to make."""
        with self._engine.connect() as connection:
            whole = tables.stages.c.kind.not_like("% so far")  # it is part of another's cost
            rows = connection.execute(
                sa.select(tables.stages.c.key, tables.stages.c.seconds).where(whole)
            )
            return {key: seconds for key, seconds in rows}

    # -- hosts and workers -----------------------------------------------------------------------

    def add_host(self, digest: str, facts: Mapping[str, Any]) -> None:
        """Facts about a host that measures; known ones are left alone."""
        with self._engine.connect() as connection:
            known = connection.execute(
                sa.select(tables.hosts.c.digest).where(tables.hosts.c.digest == digest)
            ).first()
        if known is None:
            try:
                self._write(sa.insert(tables.hosts).values(digest=digest, facts=facts))
            except sa.exc.IntegrityError:
                return

    def add_worker(self, row: Mapping[str, Any]) -> None:
        """A worker that lives from now on."""
        self._write(sa.insert(tables.workers).values(dict(row)))

    def beat(self, worker: str) -> None:
        """This worker lives."""
        self._write(
            sa.update(tables.workers).where(tables.workers.c.id == worker).values(beat=time.time())
        )

    def remove_worker(self, worker: str) -> None:
        """A worker that ends."""
        self._write(sa.delete(tables.workers).where(tables.workers.c.id == worker))

    def workers(self) -> list[Row]:
        """Rows of the workers that did not end properly, living or dead."""
        with self._engine.connect() as connection:
            return list(connection.execute(sa.select(tables.workers)).mappings())

    # -- reading ---------------------------------------------------------------------------------

    def record(self) -> StudyRecord:
        """Everything, for tables, plots and reports.

        Raises:
            UserError: There is no study in this database.
        """
        study = self.study()
        if study is None:
            raise UserError("storage: there is no Paretune study in this database")
        with self._engine.connect() as connection:
            fronts = connection.execute(
                sa.select(tables.fronts).order_by(tables.fronts.c.time)
            ).mappings()
            growth = tuple(
                FrontPoint(f["trial"], f["time"], f["hypervolume"], tuple(f["members"]))
                for f in fronts
            )
            facts = dict(
                connection.execute(sa.select(tables.hosts.c.digest, tables.hosts.c.facts)).all()
            )
        record = StudyRecord(
            name=study["name"],
            source=study["source"],
            axes=tuple(Axis(**axis) for axis in study["axes"]),
            trials=tuple(self._trials()),
            growth=growth,
            wanted=study["wanted"],
            info={**study["info"], "hosts": facts, "finished": study["finished"]},
        )
        return with_volumes(record)

    def _trials(self, number: int | None = None) -> list[TrialRecord]:
        which = sa.true() if number is None else tables.trials.c.number == number
        whose = sa.true() if number is None else tables.measurements.c.trial == number
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(tables.trials).where(which).order_by(tables.trials.c.number)
            ).mappings()
            measured: dict[tuple[int, str], dict[str, Measurement]] = defaultdict(dict)
            for m in connection.execute(sa.select(tables.measurements).where(whose)).mappings():
                measured[m["trial"], m["part"]][m["name"]] = Measurement(
                    **{key: m[key] for key in _MEASUREMENT_COLUMNS}
                )
            return [
                TrialRecord(
                    number=row["number"],
                    state=row["state"],
                    params=row["params"],
                    plan=row["plan"],
                    values=row["values"] or {},
                    measurements=measured[row["number"], "validation"],
                    test=measured[row["number"], "test"],
                    final=measured[row["number"], "final"],
                    violations=row["violations"] or {},
                    reason=row["reason"],
                    started=row["started"],
                    finished=row["finished"],
                    seconds=row["seconds"] or {},
                    cached=tuple(row["cached"] or ()),
                    artifact=row["artifact"],
                    artifacts=row["artifacts"] or {},
                    repeats=row["repeats"],
                    sibling=row["sibling"],
                )
                for row in rows
            ]

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def _write(self, statement: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement)


_MEASUREMENT_COLUMNS = ("name", "value", "unit", "better", "low", "high", "count", "conditions")


def measurement_row(trial: int, part: str, m: Measurement, host: str) -> dict[str, Any]:
    """A row of the measurements, taken now."""
    return {**m.to_json(), "trial": trial, "part": part, "host": host, "taken": time.time()}


@contextmanager
def reading(url: str) -> Iterator[Store]:
    """A store on an existing database, closed at the end.

    Raises:
        UserError: There is no such database, or it is none.
    """
    store = Store(tables.open_engine(url))
    try:
        yield store
    finally:
        store.close()
