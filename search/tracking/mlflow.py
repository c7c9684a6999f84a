"""MLflow: the study is a parent run, each trial a child run (https://mlflow.org/docs/latest)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from paretune.search.study.spec import StudySpec
from paretune.search.tracking.facts import StudyFacts, TrialFacts
from paretune.search.tracking.tracker import TrackerAway, needs

T = TypeVar("T")

STUDY_TAG, TRIAL_TAG = "paretune.study", "paretune.trial"

MOST_METRICS, MOST_PARAMS = 1000, 100
"""Metrics and parameters of one request; MLflow refuses more."""

_STATUS = {"complete": "FINISHED", "failed": "FAILED", "infeasible": "FINISHED"}
"""State of a trial -> status of its run; any other trial was stopped."""

_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; the sender tries again itself
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Variables that keep MLflow from waiting minutes and from printing; yours win."""


class MlflowTracker:
    """Sends a study to an MLflow tracking server, file or database.

    Args:
        options: `MlflowOptions` as JSON.
        spec: The study.

    Raises:
        UserError: MLflow is not installed.
    """

    def __init__(self, options: Mapping[str, Any], spec: StudySpec) -> None:
        if find_spec("mlflow") is None:
            raise needs("mlflow")
        # Imported here, in the main thread: plotly, which the report needs, fails if it meets the
        # pandas that another thread has begun to import.
        import_module("mlflow")
        self._uri = options["uri"] or os.environ.get("MLFLOW_TRACKING_URI", "")
        self._experiment = options["experiment"] or spec.name
        self._opened: tuple[Any, str] | None = None

    @property
    def address(self) -> str:
        """Address of the server, and the experiment."""
        return f"{self._uri}, experiment {self._experiment}"

    def open_study(self, study: StudyFacts) -> str:
        """Finds or creates the parent run; returns its id."""
        run, new = self._run(study, None, study.name, study.started, {})
        if new:
            self._log_params(run, study.params)
        return run

    def log_trial(self, parent: str, study: StudyFacts, trial: TrialFacts, again: bool) -> str:
        """Finds or creates a trial's run and sends it; returns its id."""
        client, _ = self._client()
        tags = {"mlflow.parentRunId": parent}
        run, new = self._run(study, trial.number, trial.name, trial.started, tags)
        at = trial.finished
        metrics = [*self._metrics(trial.metrics, at)]
        if new or not again:  # MLflow takes the same parameters and epochs twice
            self._log_params(run, trial.params)
            for epoch in trial.epochs:
                values = {f"{epoch.stage}.{name}": v for name, v in epoch.values.items()}
                metrics += self._metrics(values, epoch.time, epoch.epoch)
        self._log(run, metrics)
        self._log_tags(run, trial.tags)
        status = _STATUS.get(trial.state, "KILLED")
        client.set_terminated(run, status, end_time=_milliseconds(at))
        return run

    def log_study(self, parent: str, study: StudyFacts, after: int, ended: bool) -> None:
        """Sends the hypervolume's growth after `after` points, the front and the end."""
        client, _ = self._client()
        metrics: list[Any] = []
        for trial, hypervolume, when in study.growth[after:]:
            metrics += self._metrics({"hypervolume": hypervolume}, when, trial)
        latest = {name: v for name, v in study.metrics.items() if name != "hypervolume"}
        last = study.growth[-1][2] if study.growth else study.started
        self._log(parent, [*metrics, *self._metrics(latest, last, int(latest["trials"]))])
        self._log_tags(parent, study.tags)
        if ended:
            client.set_terminated(parent)
        else:
            client.update_run(parent, status="RUNNING")

    def attach(self, run: str, study: StudyFacts, name: str, files: Sequence[Path]) -> None:
        """Uploads files below the folder `name` of a run's artifacts."""
        client, _ = self._client()
        for file in files:
            client.log_artifact(run, str(file), name)

    def close(self) -> None:
        """Does nothing: each request is complete."""

    # -- requests --------------------------------------------------------------------------------

    def _client(self) -> tuple[Any, str]:
        """Returns the client, and the id of the experiment, which is created if it is missing."""
        if self._opened is None:
            for name, value in _ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            logging.getLogger("mlflow").setLevel(logging.ERROR)  # it prints what it retries
            client = MlflowClient(tracking_uri=self._uri)
            experiment = client.get_experiment_by_name(self._experiment)
            if experiment is None:
                with suppress(MlflowException):  # another process may have just created it
                    client.create_experiment(self._experiment)
                experiment = client.get_experiment_by_name(self._experiment)
            if experiment is None:
                raise TrackerAway(f"there is no experiment {self._experiment} after its creation")
            self._opened = (client, experiment.experiment_id)
        return self._opened

    def _run(
        self,
        study: StudyFacts,
        trial: int | None,
        name: str,
        started: float,
        tags: Mapping[str, str],
    ) -> tuple[str, bool]:
        """Returns the id of a run, and whether it was just created.

        A process can be killed after MLflow created the run and before its id was stored. So a run
        is looked up by its tags first.
        """
        client, experiment = self._client()
        number = "study" if trial is None else str(trial)
        query = f"tags.`{STUDY_TAG}` = '{study.key}' and tags.`{TRIAL_TAG}` = '{number}'"
        runs = client.search_runs([experiment], query, max_results=1)
        if runs:
            return str(runs[0].info.run_id), False
        run = client.create_run(
            experiment,
            start_time=_milliseconds(started),
            tags={STUDY_TAG: study.key, TRIAL_TAG: number, **tags},
            run_name=name,
        )
        return str(run.info.run_id), True

    def _metrics(self, values: Mapping[str, float], when: float, step: int = 0) -> Iterator[Any]:
        from mlflow.entities import Metric

        for name, value in values.items():
            yield Metric(_name(name), value, _milliseconds(when), step)

    def _log(self, run: str, metrics: Iterable[Any]) -> None:
        client, _ = self._client()
        for part in _parts(list(metrics), MOST_METRICS):
            client.log_batch(run, metrics=part)

    def _log_params(self, run: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        client, _ = self._client()
        entries = [Param(_name(name), value) for name, value in params.items()]
        for part in _parts(entries, MOST_PARAMS):
            client.log_batch(run, params=part)

    def _log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        client, _ = self._client()
        client.log_batch(run, tags=[RunTag(f"paretune.{k}", v[:5000]) for k, v in tags.items()])


def _name(name: str) -> str:
    """Returns a name that MLflow takes: letters, digits, and `_ - . / :` with spaces."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def _parts(entries: list[T], size: int) -> Iterator[list[T]]:
    yield from (entries[first : first + size] for first in range(0, len(entries), size))


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)
