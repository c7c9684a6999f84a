"""Writes a new version of a study, and trials that were measured again for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction
from paretune.search.database.final_measurements import FINAL
from paretune.search.database.fronts import write_front
from paretune.search.database.trials import example_rows, measurement_row
from paretune.search.database.versions import newest_of
from paretune.search.study.records import Axis, FrontPoint
from paretune.search.study.version import VersionChanges

_T, _M = tables.trials.c, tables.measurements.c

VALIDATION = "validation"


@dataclass(frozen=True)
class NewVersion:
    """A version to write.

    Attributes:
        number: Its number.
        source: The study file as plain data.
        identity: What decides its trials.
        axes: Its objectives.
        changes: What it changes.
        first_identity: The identity of version 1, if this is version 2.
        present: Trial -> (values, violations) in this version.
        front: The front after each trial that changed it.
        local_stale: `changes.stale` without targets.
        directions: Objective -> "lower" or "higher", of those that changed it.
        drops_finals: Whether the measurements of the final session do not hold.
        ends_racing: Whether paused trials end, as this version does not race.
        resets_rungs: Whether trials at rungs cannot be compared with later ones there.
    """

    number: int
    source: Mapping[str, Any]
    identity: Mapping[str, Any]
    axes: Sequence[Axis]
    changes: VersionChanges
    first_identity: Mapping[str, Any]
    present: Mapping[int, tuple[Mapping[str, float], Mapping[str, float]]]
    front: Sequence[FrontPoint]
    local_stale: Collection[str] = ()
    directions: Mapping[str, str] | None = None
    drops_finals: bool = False
    ends_racing: bool = False
    resets_rungs: bool = False


class VersionWriter(Tables):
    """Writes versions to one study database."""

    def begin(
        self,
        version: NewVersion,
        baseline: Sequence[Measurement],
        host: str,
        artifacts: Mapping[str, Any] | None = None,
    ) -> bool:
        """Makes a version the present one, with all that follows for earlier trials, at once.

        Args:
            version: The version.
            baseline: New measurements of the baseline.
            host: Digest of the host that measured.
            artifacts: "artifact" and "artifacts" of the baseline, if its files were made again.

        Returns:
            False if another process was faster; nothing was written then.
        """
        with exclusive_transaction(self.engine) as connection:
            study = tables.studies
            connection.execute(sa.update(study).values(name=study.c.name))  # locks SQLite's file
            if newest_of(connection) != version.number - 1:
                return False
            self._write_rows(connection, version)
            _drop_stale(connection, version)
            if baseline:
                _put_measurements(connection, 0, baseline, host)
            if artifacts:
                of_baseline = sa.update(tables.trials).where(_T.number == 0)
                connection.execute(of_baseline.values(**artifacts))
            _update_trials(connection, version)
            connection.execute(sa.delete(tables.fronts))
            for point in version.front:
                write_front(connection, point)
        return True

    def _write_rows(self, connection: sa.Connection, version: NewVersion) -> None:
        study = connection.execute(sa.select(tables.studies)).mappings().one()
        if version.number == 2:
            first = {key: study[key] for key in ("created", "source", "axes")}
            changes = VersionChanges().to_json()
            row = {**first, "number": 1, "identity": version.first_identity, "changes": changes}
            connection.execute(sa.insert(tables.versions).values(row))
        present = {
            "source": version.source,
            "identity": version.identity,
            "axes": [vars(axis) for axis in version.axes],
        }
        row = {
            **present,
            "number": version.number,
            "created": time.time(),
            "changes": version.changes.to_json(),
        }
        connection.execute(sa.insert(tables.versions).values(row))
        info = {name: fact for name, fact in study["info"].items() if name != "chances"}
        connection.execute(sa.update(tables.studies).values(**present, info=info))

    def complete(
        self,
        number: int,
        measured: Sequence[Measurement],
        values: Mapping[str, float],
        violations: Mapping[str, float],
        host: str,
        artifacts: Mapping[str, Any] | None = None,
    ) -> bool:
        """Completes an earlier trial with what its study measures now.

        Args:
            number: Trial number.
            measured: New measurements; they replace those of the same names.
            values: Objective -> value.
            violations: Constraint text -> violation.
            host: Digest of the host that measured.
            artifacts: "artifact" and "artifacts" of the trial, if its files were made again.

        Returns:
            False if another worker was faster; nothing was written then.
        """
        result = {"values": dict(values), "violations": dict(violations)}
        of_trial = sa.update(tables.trials).where(_T.number == number)
        with exclusive_transaction(self.engine) as connection:
            connection.execute(of_trial.values(state=_T.state))  # locks SQLite's file
            if connection.execute(sa.select(_T["values"]).where(_T.number == number)).scalar():
                return False
            connection.execute(of_trial.values(**result, **(artifacts or {})))
            repeats = sa.update(tables.trials).where(_T.repeat_of == number, _T.state == "complete")
            connection.execute(repeats.values(result))
            if measured:
                _put_measurements(connection, number, measured, host)
        return True

    def replace_front(self, history: Callable[[], Sequence[FrontPoint]]) -> None:
        """Replaces the history of the front.

        Args:
            history: Reads the trials and returns it; no other worker writes meanwhile.
        """
        with exclusive_transaction(self.engine) as connection:
            points = history()
            connection.execute(sa.delete(tables.fronts))
            for point in points:
                write_front(connection, point)


def _put_measurements(
    connection: sa.Connection, number: int, measured: Sequence[Measurement], host: str
) -> None:
    """Writes measurements on the validation part; they replace those of the same names."""
    names = [measurement.name for measurement in measured]
    for table in (tables.measurements, tables.examples):
        is_old = sa.and_(
            table.c.trial == number, table.c.part == VALIDATION, table.c.name.in_(names)
        )
        connection.execute(sa.delete(table).where(is_old))
    rows = [measurement_row(number, VALIDATION, m, host) for m in measured]
    connection.execute(sa.insert(tables.measurements), rows)
    if examples := example_rows(number, VALIDATION, measured):
        connection.execute(sa.insert(tables.examples), examples)


def _drop_stale(connection: sa.Connection, version: NewVersion) -> None:
    """Moves measurements that do not hold in a version to the table of past ones."""
    stale = list(version.changes.stale)
    is_final = _M.part == FINAL if version.drops_finals else sa.false()
    is_stale = sa.or_(_M.name.in_(stale), is_final)
    past = tables.past_measurements
    names = [column.name for column in tables.measurements.columns]
    chosen = sa.select(sa.literal(version.number), *(_M[name] for name in names)).where(is_stale)
    connection.execute(sa.insert(past).from_select(["version", *names], chosen))
    connection.execute(sa.delete(tables.measurements).where(is_stale))
    connection.execute(sa.delete(tables.examples).where(tables.examples.c.name.in_(stale)))
    structures = tables.structures
    is_local = structures.c.name.in_(list(version.local_stale))
    connection.execute(sa.delete(structures).where(is_local))
    for name, better in (version.directions or {}).items():
        for table in (tables.measurements, structures):
            connection.execute(sa.update(table).where(table.c.name == name).values(better=better))


def _update_trials(connection: sa.Connection, version: NewVersion) -> None:
    """Writes what the measurements of all earlier trials mean in a version."""
    rows = [
        {"of": number, "values": dict(values), "violations": dict(violations)}
        for number, (values, violations) in version.present.items()
    ]
    if rows:
        connection.execute(_PRESENT, rows)
    ended = connection.execute(sa.select(_T.number).where(_T.state == "complete")).scalars()
    # Of trials that ended a moment ago, nothing is known yet; a worker completes them.
    late = [{"of": number, "values": {}} for number in ended if number not in version.present]
    if late:
        connection.execute(_UNKNOWN, late)
    if version.resets_rungs:
        connection.execute(sa.delete(tables.rungs))
    if version.ends_racing:
        paused = sa.update(tables.trials).where(_T.state == "paused")
        connection.execute(paused.values(state="stopped", finished=time.time()))


_PRESENT = (
    sa.update(tables.trials)
    .where(_T.number == sa.bindparam("of"))
    .values(values=sa.bindparam("values"), violations=sa.bindparam("violations"))
)
_UNKNOWN = (
    sa.update(tables.trials)
    .where(_T.number == sa.bindparam("of"))
    .values(values=sa.bindparam("values"))
)
