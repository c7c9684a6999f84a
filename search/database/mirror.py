"""The study in Optuna's own tables, so that optuna-dashboard and optuna.load_study read it.

Written only, apart from the trial numbers that Optuna hands out: a trial is one row when it starts,
with all its parameters, and its state, values and constraints when it ends. What Paretune itself
reads is in its own tables (search/database/store.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from search.database.tables import set_pragmas
from search.errors import UserError

optuna.logging.set_verbosity(optuna.logging.WARNING)  # search/progress.py says what happens

_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}

_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

_NUMBER = sa.text("SELECT number FROM trials WHERE trial_id = :id")


class Mirror:
    """Optuna's side of a study database.

    Args:
        url: SQLAlchemy URL.
        name: Of the Optuna study; made when there is none.
        directions: "minimize" or "maximize" for each objective.
        objectives: Their names.

    Raises:
        UserError: The database holds an Optuna study of this name with other directions, or one
            that this Optuna cannot read.
    """

    def __init__(
        self, url: str, name: str, directions: Sequence[str], objectives: Sequence[str]
    ) -> None:
        sqlite = sa.engine.make_url(url).get_backend_name() == "sqlite"
        arguments = {"connect_args": {"timeout": 60}} if sqlite else {}
        try:
            self._storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
            if sqlite:  # the connections so far were opened without the settings
                sa.event.listen(self._storage.engine, "connect", set_pragmas)
                self._storage.engine.dispose()
            study = optuna.create_study(
                study_name=name,
                storage=self._storage,
                directions=[_DIRECTIONS[d] for d in directions],
                load_if_exists=True,
            )
        except (sa.exc.DBAPIError, RuntimeError, optuna.exceptions.OptunaError) as error:
            raise UserError(f"storage: Optuna cannot use this database: {error}") from error
        if [d.name.lower() for d in study.directions] != list(directions):
            raise UserError(f'storage: it holds another Optuna study named "{name}"')
        self._study_id = study._study_id
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if study.metric_names != list(objectives):
                study.set_metric_names(list(objectives))

    def start(
        self,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        attributes: Mapping[str, Any],
        sampler_attributes: Mapping[str, Any],
    ) -> tuple[int, int]:
        """A new running trial; gives Optuna's id and the trial's number."""
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions={name: distributions[name] for name in params},
            user_attrs=dict(attributes),
            system_attrs=dict(sampler_attributes),
        )
        trial_id = self._storage.create_new_trial(self._study_id, template_trial=template)
        with self._storage.engine.connect() as connection:
            # Optuna's get_trial_number_from_id reads the whole trial, ten times as long.
            number = connection.execute(_NUMBER, {"id": trial_id}).scalar_one()
        return trial_id, int(number)

    def finish(
        self,
        trial_id: int,
        state: str,
        values: Sequence[float] | None,
        violations: Mapping[str, float],
    ) -> None:
        """Ends a running trial; one that has ended already is left as it is."""
        try:
            for text, violation in violations.items():
                self._storage.set_trial_system_attr(trial_id, f"constraints:{text}", violation)
            self._storage.set_trial_state_values(
                trial_id, _STATES[state], list(values) if state == "complete" and values else None
            )
        except optuna.exceptions.UpdateFinishedTrialError:
            pass

    def running(self) -> list[tuple[int, int, dict[str, Any]]]:
        """(id, number, parameters) of the trials that Optuna holds for running."""
        if self._storage.get_n_trials(self._study_id, state=TrialState.RUNNING) == 0:
            return []
        trials = self._storage.get_all_trials(
            self._study_id, deepcopy=False, states=(TrialState.RUNNING,)
        )
        return [(trial._trial_id, trial.number, trial.params) for trial in trials]

    def close(self) -> None:
        """Gives the connections back."""
        self._storage.remove_session()
        self._storage.engine.dispose()
