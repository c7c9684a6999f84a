"""Makes the Optuna study of a study database that of a later version: other objectives, no trials.

The study keeps its id, so that a process that still has it open writes nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.study import StudyDirection

from paretune.search.database.base import exclusive_transaction

VERSION = "version"
"""The user attribute of Optuna's study with the version that its tables hold."""

METRIC_NAMES = "study:metric_names"
"""The system attribute in which Optuna keeps the names of the objectives."""

_TRIALS = models.TrialModel.__table__
_DIRECTIONS = models.StudyDirectionModel.__table__
_USER = models.StudyUserAttributeModel.__table__
_SYSTEM = models.StudySystemAttributeModel.__table__

_OF_TRIALS = tuple(
    model.__table__
    for model in (
        models.TrialParamModel,
        models.TrialValueModel,
        models.TrialIntermediateValueModel,
        models.TrialUserAttributeModel,
        models.TrialSystemAttributeModel,
        models.TrialHeartbeatModel,
    )
)
"""Optuna's tables with rows of a trial."""


@dataclass(frozen=True)
class RenewedStudy:
    """A study as Optuna's tables shall have it.

    Attributes:
        version: Its version.
        directions: "minimize" or "maximize" for each objective.
        objectives: Names of the objectives.
    """

    version: int
    directions: Sequence[str]
    objectives: Sequence[str]


def renew_study(engine: sa.Engine, study_id: int, renewed: RenewedStudy) -> None:
    """Removes the trials of an Optuna study, and gives it other objectives.

    Args:
        engine: The engine of the database.
        study_id: Optuna's id of the study.
        renewed: The objectives.
    """
    with exclusive_transaction(engine) as connection:
        ids = sa.select(_TRIALS.c.trial_id).where(_TRIALS.c.study_id == study_id)
        for table in _OF_TRIALS:
            connection.execute(sa.delete(table).where(table.c.trial_id.in_(ids)))
        connection.execute(sa.delete(_TRIALS).where(_TRIALS.c.study_id == study_id))
        connection.execute(sa.delete(_DIRECTIONS).where(_DIRECTIONS.c.study_id == study_id))
        connection.execute(
            sa.insert(_DIRECTIONS),
            [
                {
                    "study_id": study_id,
                    "objective": index,
                    "direction": StudyDirection[direction.upper()],
                }
                for index, direction in enumerate(renewed.directions)
            ],
        )
        _set(connection, _SYSTEM, study_id, METRIC_NAMES, list(renewed.objectives))
        _set(connection, _USER, study_id, VERSION, renewed.version)


def _set(connection: sa.Connection, table: Any, study_id: int, key: str, value: Any) -> None:
    is_old = sa.and_(table.c.study_id == study_id, table.c.key == key)
    connection.execute(sa.delete(table).where(is_old))
    row = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
    connection.execute(sa.insert(table).values(row))
