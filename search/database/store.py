"""The study database: records in, records out. Knows no Optuna (search/database/mirror.py does)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, exclusive_transaction
from paretune.search.database.engine import open_engine
from paretune.search.database.fronts import write_front
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import engine_rows
from paretune.search.database.stages import Stages
from paretune.search.database.trials import OPEN_STATES, Trials
from paretune.search.database.version import SCHEMA, wrong_version
from paretune.search.database.workers import Workers
from paretune.search.errors import UserError
from paretune.search.study.records import Axis, FrontPoint, StudyRecord

__all__ = ["OPEN_STATES", "Row", "Store", "existing_store"]


class Store(Trials, Stages, Workers):
    """Our tables of one study database.

    Args:
        engine: From `engine.open_engine`.
    """

    # -- the study -------------------------------------------------------------------------------

    def study(self) -> Row | None:
        """The study's row, or None in a database that has none.

        Raises:
            UserError: The tables are of another version of Paretune.
        """
        if not sa.inspect(self.engine).has_table(tables.studies.name):
            return None
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(tables.studies)).mappings().first()
        if row is not None and row["schema"] != SCHEMA:
            raise UserError(wrong_version(row["schema"]))
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
            "schema": SCHEMA,
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

    # -- the front -------------------------------------------------------------------------------

    def save_chances(self, chances: Mapping[int, float], record: StudyRecord) -> None:
        """Keeps who is on the front with which probability, until there is another trial.

        Args:
            chances: Trial -> probability, by the search's numbers.
            record: What they were found from.
        """
        ends = [trial.finished for trial in record.trials if trial.finished is not None]
        kept = {"of": [len(ends), max(ends)], "trials": {str(n): p for n, p in chances.items()}}
        with exclusive_transaction(self.engine) as connection:
            info = connection.execute(sa.select(tables.studies.c.info)).scalar_one()
            connection.execute(sa.update(tables.studies).values(info={**info, "chances": kept}))

    def add_front(self, point: FrontPoint) -> None:
        """The front after a trial that changed it; a trial told twice replaces its entry."""
        with exclusive_transaction(self.engine) as connection:
            write_front(connection, point)

    def front_members(self) -> tuple[int, ...]:
        """Numbers of the front's trials."""
        statement = sa.select(tables.fronts.c.members).order_by(tables.fronts.c.time.desc())
        with self.engine.connect() as connection:
            return tuple(connection.execute(statement.limit(1)).scalar() or ())

    # -- reading ---------------------------------------------------------------------------------

    def record(self) -> StudyRecord:
        """Everything, for tables, plots and reports.

        Raises:
            UserError: There is no study in this database.
        """
        return StudyReader(engine_rows(self.engine)).record()

    def close(self) -> None:
        """Gives the connections back."""
        self.engine.dispose()


@contextmanager
def existing_store(url: str) -> Iterator[Store]:
    """A store on an existing database, closed at the end.

    Raises:
        UserError: There is no such database, or it is none.
    """
    store = Store(open_engine(url))
    try:
        yield store
    finally:
        store.close()
