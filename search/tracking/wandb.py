"""Weights & Biases: a group of runs, one for the study and one for each trial.

See https://docs.wandb.ai/models/ref/python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paretune.search.study.spec import StudySpec, digest
from paretune.search.tracking.facts import StudyFacts, TrialFacts
from paretune.search.tracking.tracker import needs

CONNECT_SECONDS = 20.0
"""Longest time to begin a run; after it the service counts as away."""


class WandbTracker:
    """Sends a study to Weights & Biases, or writes its files for `wandb sync`.

    Args:
        options: `WandbOptions` as JSON.
        spec: The study.

    Raises:
        UserError: The package wandb is not installed.
    """

    def __init__(self, options: Mapping[str, Any], spec: StudySpec) -> None:
        if find_spec("wandb") is None:
            raise needs("wandb")
        import_module("wandb")  # in the main thread, as for MLflow
        self._mode = options["mode"]
        self._project = options["project"] or spec.name.replace("/", "-")
        self._entity = options["entity"]
        self._folder = spec.folder

    @property
    def address(self) -> str:
        """The project, or the folder of its files."""
        if self._mode == "offline":
            return f"{self._folder / 'wandb'}"
        return f"project {'/'.join(filter(None, (self._entity, self._project)))}"

    def open_study(self, study: StudyFacts) -> str:
        """Creates the study's run, unless it exists; returns its id."""
        run = self._begin(study, self._id(study), study.name, {"study": dict(study.source)})
        self._end(run)
        return str(run.id)

    def log_trial(self, parent: str, study: StudyFacts, trial: TrialFacts, again: bool) -> str:
        """Creates a trial's run, or resumes it, and sends it; returns its id."""
        run = self._begin(study, self._id(study, trial), trial.name, dict(trial.params))
        for epoch in () if again else trial.epochs:
            values = {f"{epoch.stage}/{name}": value for name, value in epoch.values.items()}
            run.log({**values, f"{epoch.stage}/epoch": epoch.epoch})
        run.summary.update({**trial.metrics, **trial.tags})
        self._end(run, failed=trial.state == "failed")
        return str(run.id)

    def log_study(self, parent: str, study: StudyFacts, after: int, ended: bool) -> None:
        """Sends the hypervolume's growth after `after` points and the front."""
        run = self._begin(study, parent, study.name, None)
        for trial, hypervolume, _ in study.growth[after:]:
            run.log({"trial": trial, "hypervolume": hypervolume})
        run.summary.update({**study.metrics, **study.tags})
        self._end(run)

    def attach(self, run: str, study: StudyFacts, name: str, files: Sequence[Path]) -> None:
        """Logs files as an artifact of a run."""
        import wandb

        resumed = self._begin(study, run, None, None)
        artifact = wandb.Artifact(f"{name}-{run}", type=name)
        for file in files:
            artifact.add_file(str(file))
        resumed.log_artifact(artifact)
        self._end(resumed)

    def close(self) -> None:
        """Ends the service process of wandb in this process."""
        import wandb

        wandb.teardown()

    def _begin(
        self, study: StudyFacts, run: str, name: str | None, config: Mapping[str, Any] | None
    ) -> Any:
        """Begins a run, or resumes it."""
        import wandb

        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=CONNECT_SECONDS,
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
            x_disable_meta=True,
        )
        return wandb.init(
            project=self._project,
            entity=self._entity,
            dir=str(self._folder),
            id=run,
            name=name,
            group=f"{study.name} {study.key}",
            job_type="study" if run == self._id(study) else "trial",
            config=None if config is None else dict(config),
            mode=self._mode,
            resume="allow",
            reinit="create_new",
            settings=settings,
        )

    def _end(self, run: Any, failed: bool = False) -> None:
        run.finish(exit_code=int(failed))

    @staticmethod
    def _id(study: StudyFacts, trial: TrialFacts | None = None) -> str:
        """Returns the id of a run: the same in each attempt, so that none is sent twice."""
        number = None if trial is None else trial.number
        return digest({"study": study.key, "trial": number})[:16]
