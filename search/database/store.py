"""Writes the study database and reads it back; search/database/mirror.py writes Optuna's tables.

The tables are in groups, each with its own file: trials, stages, workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, exclusive_transaction, reading
from paretune.search.database.damage import explained, refuse_damage
from paretune.search.database.engine import open_engine
from paretune.search.database.fronts import write_front
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import CHECKED_BYTES, engine_rows
from paretune.search.database.stages import Stages
from paretune.search.database.trials import OPEN_STATES, Trials
from paretune.search.database.version import SCHEMA, wrong_version
from paretune.search.database.workers import Workers
from paretune.search.errors import UserError
from paretune.search.interruption import deferred_interrupts
from paretune.search.study.records import Axis, FrontPoint, StudyRecord

__all__ = ["OPEN_STATES", "Row", "Store", "existing_store"]


END = "end"
"""Key of the study's facts with what the workers of a run have done at its end."""


class Store(Trials, Stages, Workers):
    """Paretune's tables in one study database."""

    # -- the study -------------------------------------------------------------------------------

    def study(self) -> Row | None:
        """Returns the study's row; None if the database has no study.

        Raises:
            UserError: The tables are of another version of Paretune.
        """
        if not sa.inspect(self.engine).has_table(tables.studies.name):
            return None
        with reading(self.engine) as connection:
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
        """Writes the study's row, unless another worker has just written it.

        Args:
            name: Name of the study.
            source: The study file as plain data.
            identity: What must be the same when the study is resumed.
            axes: The objectives.
        """
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

    def add_info(self, **facts: Any) -> None:
        """Adds facts to the study's row, to show."""
        with exclusive_transaction(self.engine) as connection:
            info = connection.execute(sa.select(tables.studies.c.info)).scalar_one()
            connection.execute(sa.update(tables.studies).values(info={**info, **facts}))

    def end_mark(self) -> dict[str, Any] | None:
        """Returns what `running.shared_end` has noted of the last end of the search; or None."""
        with reading(self.engine) as connection:
            info = connection.execute(sa.select(tables.studies.c.info)).scalar_one()
        mark: dict[str, Any] | None = info.get(END)
        return mark

    # -- the front -------------------------------------------------------------------------------

    def save_chances(self, chances: Mapping[int, float], record: StudyRecord) -> None:
        """Saves the chances to be on the front, which hold until another trial ends.

        Args:
            chances: Trial number -> probability, by the measurements of the search.
            record: The study from which they were computed.
        """
        ends = [trial.finished for trial in record.trials if trial.finished is not None]
        saved = {
            "ended": len(ends),
            "last": max(ends),
            "trials": {str(number): chance for number, chance in chances.items()},
        }
        with exclusive_transaction(self.engine) as connection:
            info = connection.execute(sa.select(tables.studies.c.info)).scalar_one()
            connection.execute(sa.update(tables.studies).values(info={**info, "chances": saved}))

    def add_front(self, point: FrontPoint, is_last: bool = True) -> None:
        """Writes the front after a trial; replaces the trial's earlier entry.

        Args:
            point: The front.
            is_last: Whether it is the last front; else its time says where it belongs.
        """
        with exclusive_transaction(self.engine) as connection:
            write_front(connection, point, is_last)

    def front_members(self) -> tuple[int, ...]:
        """Returns the numbers of the trials on the front."""
        statement = sa.select(tables.fronts.c.members).order_by(tables.fronts.c.time.desc())
        with reading(self.engine) as connection:
            return tuple(connection.execute(statement.limit(1)).scalar() or ())

    # -- reading ---------------------------------------------------------------------------------

    def record(self) -> StudyRecord:
        """Returns the whole study, for tables, plots and reports.

        Raises:
            UserError: There is no study in this database.
        """
        url = self.engine.url
        name = str(url.database) if url.get_backend_name() == "sqlite" else "storage"
        return StudyReader(engine_rows(self.engine), name).record()

    def close(self) -> None:
        """Closes the connections; SQLAlchemy would log an interrupt meanwhile as an error."""
        with deferred_interrupts():
            self.engine.dispose()


@contextmanager
def existing_store(url: str) -> Iterator[Store]:
    """Opens a store on an existing database, and closes it at the end.

    Raises:
        UserError: There is no such database, the file is not a database, or it is damaged.
    """
    refuse_damage(url, CHECKED_BYTES)
    store = Store(open_engine(url))
    try:
        with explained(url):
            yield store
    finally:
        store.close()
