"""Mirrors the study in Optuna's own tables, for optuna-dashboard and optuna.load_study.

The mirror is only written. Paretune reads its own tables (search/database/store.py), which are the
truth. Changes are kept in memory until a trial begins at least two seconds after the last write.
They are then written with a handful of statements in one transaction. The next run writes what a
killed process had not written (`running.recovery`). Optuna's own storage needs a transaction for
each attribute: 20 ms a trial.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState

from paretune.search.database.base import Tables
from paretune.search.database.damage import DatabaseError, problem_text
from paretune.search.database.engine import create_tables, set_pragmas
from paretune.search.database.mirror_renewal import VERSION, RenewedStudy, renew_study
from paretune.search.errors import UserError

optuna.logging.set_verbosity(optuna.logging.WARNING)  # search/running/progress.py reports progress

PERIOD = 2.0
"""Seconds between two writes while trials end quickly."""

_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}

_STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

_TRIALS = models.TrialModel.__table__
_PARAMS = models.TrialParamModel.__table__
_USER_ATTRIBUTES = models.TrialUserAttributeModel.__table__
_SYSTEM_ATTRIBUTES = models.TrialSystemAttributeModel.__table__
_VALUES = models.TrialValueModel.__table__


@dataclass(frozen=True)
class MirroredTrial:
    """A trial as Optuna stores it.

    Attributes:
        number: Trial number.
        state: "running", "complete", "infeasible", "stopped" or "failed".
        params: All parameters that the sampler was asked for, by name.
        attributes: User attributes, for people who read the study with Optuna.
        sampler: The sampler's own attributes.
        values: Objective values in order; empty unless complete.
        violations: Constraint text -> violation.
        started: Unix time.
        finished: Unix time, or None.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    attributes: Mapping[str, Any]
    sampler: Mapping[str, Any]
    values: Sequence[float] = ()
    violations: Mapping[str, float] = field(default_factory=dict)
    started: float = 0.0
    finished: float | None = None


class Mirror(Tables):
    """The Optuna study in a study database.

    Args:
        engine: The engine of the database.
        name: Name of the Optuna study, which is created if it does not exist.
        directions: "minimize" or "maximize" for each objective.
        objectives: Names of the objectives.
        distributions: Parameter name -> distribution, of every parameter of the space.
        version: The version of the study. If Optuna's tables are of an earlier one, `is_old` is
            true and nothing is written until `renew`.

    Raises:
        UserError: The database holds an Optuna study of this name with other directions, or one
            that this Optuna cannot read.
    """

    def __init__(
        self,
        engine: sa.Engine,
        name: str,
        directions: Sequence[str],
        objectives: Sequence[str],
        distributions: Mapping[str, BaseDistribution],
        version: int = 1,
    ) -> None:
        super().__init__(engine)
        self._study_id, stored = _study(engine, name, directions, objectives, version)
        self.is_old = stored < version
        self._is_stopped = stored > version
        self._distributions = distributions
        self._json = {key: distribution_to_json(d) for key, d in distributions.items()}
        self._pending: dict[int, MirroredTrial] = {}
        self._written = time.monotonic()

    def put(self, trial: MirroredTrial) -> None:
        """Takes the present state of a trial, to be written later."""
        self._pending[trial.number] = trial
        begins = trial.state == "running"  # the trial before it has ended: one write for both
        if begins and time.monotonic() - self._written >= PERIOD:
            self.flush()

    def flush(self) -> None:
        """Writes all trials that were put since the last write."""
        self._written = time.monotonic()
        if self.is_old or self._is_stopped:
            return
        pending = list(self._pending.values())
        if not pending:
            return
        with self.engine.begin() as connection:
            stored = self._stored(connection, [t.number for t in pending])
            self._reopen(connection, pending, stored)
            new = [t for t in pending if t.number not in stored]
            ids = {**{n: id_ for n, (id_, _) in stored.items()}, **self._insert(connection, new)}
            ended = [
                t
                for t in pending
                if t.state != "running"
                and (t.number not in stored or stored[t.number][1] == TrialState.RUNNING)
            ]
            self._end(connection, ended, ids, stored)
        self._pending = {}  # not before: while the server is away, this is called again

    def stop(self) -> None:
        """Writes nothing any more, as workers of a newer version do."""
        self._is_stopped = True

    def renew(self, renewed: RenewedStudy, trials: Iterable[MirroredTrial]) -> None:
        """Writes the study again, as a later version has other objectives or parameters.

        Its trials are removed, because Optuna allows no other options for a choice.

        Args:
            renewed: The study in its present version.
            trials: All trials of all versions.
        """
        renew_study(self.engine, self._study_id, renewed)
        self.is_old = False
        self._pending = {trial.number: trial for trial in trials}
        self.flush()

    def _reopen(
        self,
        connection: sa.Connection,
        trials: Sequence[MirroredTrial],
        stored: dict[int, tuple[int, TrialState]],
    ) -> None:
        """Removes the stored ends of trials that were tried again, and makes them running ones."""
        again = [
            t.number
            for t in trials
            if t.number in stored
            and stored[t.number][1] not in (TrialState.RUNNING, _STATES[t.state])
        ]
        ids = [stored[number][0] for number in again]
        if not ids:
            return
        connection.execute(sa.delete(_VALUES).where(_VALUES.c.trial_id.in_(ids)))
        is_constraint = _SYSTEM_ATTRIBUTES.c.key.like("constraints:%")
        connection.execute(
            sa.delete(_SYSTEM_ATTRIBUTES).where(
                _SYSTEM_ATTRIBUTES.c.trial_id.in_(ids), is_constraint
            )
        )
        connection.execute(
            sa.update(_TRIALS)
            .where(_TRIALS.c.trial_id.in_(ids))
            .values(state=TrialState.RUNNING, datetime_complete=None)
        )
        stored.update({number: (stored[number][0], TrialState.RUNNING) for number in again})

    def outdated(self, states: Mapping[int, str]) -> list[int]:
        """Returns the numbers of the trials that Optuna's tables lack or have in another state.

        Args:
            states: Trial number -> state; a paused trial is running to Optuna.
        """
        with self.engine.connect() as connection:
            stored = self._stored(connection, None)
        return [
            number
            for number, state in states.items()
            if number not in stored or stored[number][1] != _STATES.get(state, TrialState.RUNNING)
        ]

    def _has(self, name: str, value: Any) -> bool:
        """Returns whether the present space has a value, which may be of an earlier one."""
        distribution = self._distributions.get(name)
        if distribution is None:
            return False
        try:
            return bool(distribution._contains(distribution.to_internal_repr(value)))
        except ValueError:  # Optuna's own, for a label that the choice has not
            return False

    # -- rows ------------------------------------------------------------------------------------

    def _stored(
        self, connection: sa.Connection, numbers: Collection[int] | None
    ) -> dict[int, tuple[int, TrialState]]:
        """Returns trial number -> (Optuna's id, Optuna's state) of the stored trials."""
        columns = _TRIALS.c
        statement = sa.select(columns.number, columns.trial_id, columns.state).where(
            columns.study_id == self._study_id
        )
        if numbers is not None:
            statement = statement.where(columns.number.in_(numbers))
        rows = connection.execute(statement)
        return {number: (trial_id, state) for number, trial_id, state in rows}

    def _insert(self, connection: sa.Connection, trials: Sequence[MirroredTrial]) -> dict[int, int]:
        """Inserts new trials without their ends; returns trial number -> Optuna's id."""
        if not trials:
            return {}
        rows = [
            {
                "number": t.number,
                "study_id": self._study_id,
                "state": _STATES[t.state],
                "datetime_start": _utc(t.started),
                "datetime_complete": _utc(t.finished),
            }
            for t in trials
        ]
        statement = sa.insert(_TRIALS).returning(_TRIALS.c.number, _TRIALS.c.trial_id)
        ids = {number: id_ for number, id_ in connection.execute(statement, rows)}
        _insert_rows(
            connection,
            _PARAMS,
            [
                {
                    "trial_id": ids[t.number],
                    "param_name": name,
                    "param_value": self._distributions[name].to_internal_repr(value),
                    "distribution_json": self._json[name],
                }
                for t in trials
                for name, value in t.params.items()
                if self._has(name, value)
            ],
        )
        user = [_attribute(ids[t.number], *item) for t in trials for item in t.attributes.items()]
        _insert_rows(connection, _USER_ATTRIBUTES, user)
        system = [_attribute(ids[t.number], *item) for t in trials for item in t.sampler.items()]
        _insert_rows(connection, _SYSTEM_ATTRIBUTES, system)
        return ids

    def _end(
        self,
        connection: sa.Connection,
        trials: Sequence[MirroredTrial],
        ids: Mapping[int, int],
        stored: Collection[int],
    ) -> None:
        """Writes the ends of trials that had not ended in Optuna's tables."""
        values, constraints, updates = [], [], []
        for t in trials:
            trial_id = ids[t.number]
            for index, value in enumerate(t.values):
                number, kind = models.TrialValueModel.value_to_stored_repr(value)
                values.append(
                    {
                        "trial_id": trial_id,
                        "objective": index,
                        "value": number,
                        "value_type": kind,
                    }
                )
            constraints += [
                _attribute(trial_id, f"constraints:{text}", violation)
                for text, violation in t.violations.items()
            ]
            if t.number in stored:
                updates.append({"id": trial_id, "to": _STATES[t.state], "at": _utc(t.finished)})
        _insert_rows(connection, _VALUES, values)
        _insert_rows(connection, _SYSTEM_ATTRIBUTES, constraints)
        if updates:
            connection.execute(
                sa.update(_TRIALS)
                .where(_TRIALS.c.trial_id == sa.bindparam("id"))
                .values(state=sa.bindparam("to"), datetime_complete=sa.bindparam("at")),
                updates,
            )


def _attribute(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def _insert_rows(connection: sa.Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _utc(when: float | None) -> datetime | None:
    """Returns a Unix time as Optuna stores it: in UTC, without a time zone."""
    return None if when is None else datetime.fromtimestamp(when, UTC).replace(tzinfo=None)


def _study(
    engine: sa.Engine,
    name: str,
    directions: Sequence[str],
    objectives: Sequence[str],
    version: int,
) -> tuple[int, int]:
    """Returns Optuna's id of the study, and the version in which its tables have it.

    Creates the study and Optuna's tables if necessary.
    """
    url = engine.url
    sqlite = url.get_backend_name() == "sqlite"
    arguments = {"connect_args": {"timeout": 60}} if sqlite else {}
    try:
        create_tables(engine, models.BaseModel.metadata.sorted_tables)
        url_text = url.render_as_string(hide_password=False)
        storage = optuna.storages.RDBStorage(url_text, engine_kwargs=arguments)
        if sqlite:  # the connections opened until now lack the settings
            sa.event.listen(storage.engine, "connect", set_pragmas)
            storage.engine.dispose()
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[_DIRECTIONS[d] for d in directions],
            load_if_exists=True,
        )
    except (sa.exc.DBAPIError, RuntimeError, optuna.exceptions.OptunaError) as error:
        text = problem_text(url.render_as_string(hide_password=False), error)
        if text is not None:
            raise DatabaseError(text) from error
        cause = error.__cause__ or error  # Optuna's own text only guesses
        raise UserError(f"storage: Optuna cannot use this database: {cause}") from error
    stored = int(study.user_attrs.get(VERSION, 1))
    is_present = stored == version
    if is_present and [d.name.lower() for d in study.directions] != list(directions):
        raise UserError(f'storage: it holds another Optuna study named "{name}"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if is_present and study.metric_names != list(objectives):
            study.set_metric_names(list(objectives))
    study_id = study._study_id
    storage.remove_session()
    storage.engine.dispose()
    return study_id, stored
