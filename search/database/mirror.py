"""The study in Optuna's own tables, so that optuna-dashboard and optuna.load_study read it.

Written only: what Paretune itself reads is in its own tables (search/database/store.py), which are
the truth. What changed is kept until the next trial begins two seconds after the last write, and
written with a handful of statements in one transaction; what a killed process had not written the
next run writes (`running.recovery`). Optuna's own storage takes a transaction for each
attribute: 20 ms a trial.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState

from paretune.search.database.engine import set_pragmas
from paretune.search.errors import UserError

optuna.logging.set_verbosity(optuna.logging.WARNING)  # search/running/progress.py says what happens

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
_USER = models.TrialUserAttributeModel.__table__
_SYSTEM = models.TrialSystemAttributeModel.__table__
_VALUES = models.TrialValueModel.__table__


@dataclass(frozen=True)
class MirroredTrial:
    """A trial as Optuna keeps it.

    Attributes:
        number: Of the trial.
        state: "running", "complete", "infeasible", "stopped" or "failed".
        params: All that the sampler was asked for.
        attributes: For people who read the study with Optuna.
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


class Mirror:
    """Optuna's side of a study database.

    Args:
        engine: On the database.
        name: Of the Optuna study; made when there is none.
        directions: "minimize" or "maximize" for each objective.
        objectives: Their names.
        distributions: Of every parameter of the space.

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
    ) -> None:
        self._engine = engine
        self._study_id = _study(engine.url, name, directions, objectives)
        self._distributions = distributions
        self._json = {key: distribution_to_json(d) for key, d in distributions.items()}
        self._pending: dict[int, MirroredTrial] = {}
        self._written = time.monotonic()

    def put(self, trial: MirroredTrial) -> None:
        """Takes what is known of a trial now; written when its time has come, or by `flush`."""
        self._pending[trial.number] = trial
        begun = trial.state == "running"  # the one before it has ended: both in one go
        if begun and time.monotonic() - self._written >= PERIOD:
            self.flush()

    def flush(self) -> None:
        """Writes what is not written yet."""
        self._written = time.monotonic()
        pending, self._pending = list(self._pending.values()), {}
        if not pending:
            return
        with self._engine.begin() as connection:
            known = self._known(connection, [t.number for t in pending])
            new = [t for t in pending if t.number not in known]
            ids = {**{n: id_ for n, (id_, _) in known.items()}, **self._inserted(connection, new)}
            open_ = [t for t in pending if t.number not in known or known[t.number][1] == "running"]
            self._end(connection, [t for t in open_ if t.state != "running"], ids, known)

    def states(self) -> dict[int, str]:
        """Number -> state of every trial in Optuna's tables."""
        with self._engine.connect() as connection:
            return {n: state for n, (_, state) in self._known(connection, None).items()}

    # -- rows ------------------------------------------------------------------------------------

    def _known(
        self, connection: sa.Connection, numbers: Collection[int] | None
    ) -> dict[int, tuple[int, str]]:
        """Number -> (Optuna's id, state) of the trials that are there."""
        columns = _TRIALS.c
        statement = sa.select(columns.number, columns.trial_id, columns.state).where(
            columns.study_id == self._study_id
        )
        if numbers is not None:
            statement = statement.where(columns.number.in_(numbers))
        names = {state: name for name, state in _STATES.items()}
        return {
            number: (trial_id, names.get(state, "running"))
            for number, trial_id, state in connection.execute(statement)
        }

    def _inserted(
        self, connection: sa.Connection, trials: Sequence[MirroredTrial]
    ) -> dict[int, int]:
        """Number -> Optuna's id of trials that were not there, with what they began with."""
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
        _insert(
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
            ],
        )
        for table, attributes in ((_USER, "attributes"), (_SYSTEM, "sampler")):
            rows = [_attribute(ids[t.number], *i) for t in trials for i in _items(t, attributes)]
            _insert(connection, table, rows)
        return ids

    def _end(
        self,
        connection: sa.Connection,
        trials: Sequence[MirroredTrial],
        ids: Mapping[int, int],
        known: Collection[int],
    ) -> None:
        """Writes the ends of trials that had not ended in Optuna's tables."""
        values, constraints, updates = [], [], []
        for t in trials:
            trial_id = ids[t.number]
            for place, value in enumerate(t.values):
                stored, kind = models.TrialValueModel.value_to_stored_repr(value)
                values.append(
                    {
                        "trial_id": trial_id,
                        "objective": place,
                        "value": stored,
                        "value_type": kind,
                    }
                )
            constraints += [
                _attribute(trial_id, f"constraints:{text}", violation)
                for text, violation in t.violations.items()
            ]
            if t.number in known:
                updates.append({"id": trial_id, "to": _STATES[t.state], "at": _utc(t.finished)})
        _insert(connection, _VALUES, values)
        _insert(connection, _SYSTEM, constraints)
        if updates:
            connection.execute(
                sa.update(_TRIALS)
                .where(_TRIALS.c.trial_id == sa.bindparam("id"))
                .values(state=sa.bindparam("to"), datetime_complete=sa.bindparam("at")),
                updates,
            )


def _items(trial: MirroredTrial, which: str) -> Collection[tuple[str, Any]]:
    attributes: Mapping[str, Any] = getattr(trial, which)
    return attributes.items()


def _attribute(trial_id: int, key: str, value: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}


def _insert(connection: sa.Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _utc(when: float | None) -> datetime | None:
    """A Unix time as Optuna stores it: UTC without saying so."""
    return None if when is None else datetime.fromtimestamp(when, UTC).replace(tzinfo=None)


def _study(url: sa.URL, name: str, directions: Sequence[str], objectives: Sequence[str]) -> int:
    """Optuna's id of the study, which is made with Optuna's tables where it is not there."""
    sqlite = url.get_backend_name() == "sqlite"
    arguments = {"connect_args": {"timeout": 60}} if sqlite else {}
    try:
        shown = url.render_as_string(hide_password=False)
        storage = optuna.storages.RDBStorage(shown, engine_kwargs=arguments)
        if sqlite:  # the connections so far were opened without the settings
            sa.event.listen(storage.engine, "connect", set_pragmas)
            storage.engine.dispose()
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=[_DIRECTIONS[d] for d in directions],
            load_if_exists=True,
        )
    except (sa.exc.DBAPIError, RuntimeError, optuna.exceptions.OptunaError) as error:
        raise UserError(f"storage: Optuna cannot use this database: {error}") from error
    if [d.name.lower() for d in study.directions] != list(directions):
        raise UserError(f'storage: it holds another Optuna study named "{name}"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if study.metric_names != list(objectives):
            study.set_metric_names(list(objectives))
    study_id = study._study_id
    storage.remove_session()
    storage.engine.dispose()
    return study_id
