"""A study opened for work: its database, data, pipeline and what is measured."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from objectives.host import fingerprint
from objectives.runtimes.base import Artifact
from search.cache import StageCache
from search.data import load_data
from search.database.mirror import Mirror
from search.database.store import Store
from search.database.tables import alone, open_engine
from search.measuring import Gauge
from search.pipeline import Pipeline, deployment
from search.plan import baseline_plan
from search.plugins import RUNTIMES
from search.records import Axis, TrialRecord
from search.resume import identity, refuse_changes
from search.spec import StudySpec, digest
from search.user_code import find_user_code

VERSIONS = ("paretune", "torch", "onnxruntime", "onnx", "optuna", "torch-pruning")


class OpenStudy:
    """Everything that a run, an export and a verification need of a study.

    Args:
        spec: The study.

    Raises:
        UserError: Database, data or runtime cannot be used, or the database holds another study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        # For training too, and before any of it: a runtime that flushes when it first measures
        # would make weights depend on what a process did before.
        torch.set_flush_denormal(True)
        find_user_code(spec.file.parent)
        self.axes = axes_of(spec)
        engine = open_engine(spec.storage, create=True)
        self.store = Store(engine)
        known = self.store.study()  # of another study or version: refused before data is loaded
        if known is not None:
            refuse_changes(known["identity"], spec)
        self.data = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed)
        self.baseline = baseline_plan(spec.baseline, spec.runtime)
        self.pipeline = Pipeline(
            self.data,
            StageCache(spec.folder / "stages", self.store),
            self.baseline,
            spec.seed,
            spec.device,
            self.store.add_curve,
        )
        self.gauge = Gauge.of(spec)
        name, self.options = deployment(self.baseline)
        self.runtime = RUNTIMES.get(name)
        with alone(engine):
            self.mirror = Mirror(
                spec.storage,
                spec.name,
                [o.direction for o in spec.objectives],
                [o.name for o in spec.objectives],
            )
        self.host = digest(fingerprint())[:12]
        self._new = known is None

    def register(self) -> None:
        """Writes what this run brings: the study itself, its latest budget, this host."""
        spec = self.spec
        if self._new:
            self.store.create_study(spec.name, spec.source, identity(spec), self.axes)
        self.store.add_host(self.host, fingerprint())
        self.store.update_study(
            wanted=spec.trials, source=spec.source, info=self._info(), finished=None
        )

    @property
    def host_text(self) -> str:
        """One line about this machine."""
        facts = fingerprint()
        return f"{facts.get('cpu', platform.machine())}, {facts.get('cores', '?')} cores"

    def artifact_path(self, number: int) -> Path:
        """Where a trial's artifact lies."""
        return self.spec.folder / "artifacts" / f"trial-{number:05d}{self.runtime.suffix}"

    def artifact_json(self, artifact: Artifact) -> dict[str, Any]:
        """An artifact as it is stored: its path relative to the study's folder."""
        path = artifact.path.relative_to(self.spec.folder)
        return {
            "path": path.as_posix(),
            "runtime": artifact.runtime,
            "sha256": artifact.sha256,
            "bytes": artifact.bytes,
            "info": dict(artifact.info),
        }

    def artifact(self, trial: TrialRecord) -> Artifact:
        """The artifact of a complete trial."""
        return stored_artifact(trial, self.spec.folder)

    def close(self) -> None:
        """Gives the connections back."""
        self.mirror.close()
        self.store.close()

    def _info(self) -> dict[str, Any]:
        return {
            "data": {"name": self.spec.data.name, **self.data.info()},
            "classes": self.data.classes,
            "shape": list(self.data.shape),
            "fingerprint": self.data.fingerprint,
            "preprocessing": self.data.preprocessing(),
            "host": self.host,
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in VERSIONS},
            },
        }


def stored_artifact(trial: TrialRecord, folder: Path) -> Artifact:
    """The artifact that a trial's record names."""
    stored = trial.artifact
    assert stored is not None, "only complete trials that repeat no other have an artifact"
    return Artifact(
        folder / stored["path"],
        stored["runtime"],
        stored["sha256"],
        stored["bytes"],
        stored["info"],
    )


def axes_of(spec: StudySpec) -> tuple[Axis, ...]:
    """The objectives as plots and tables need them."""
    better = {"minimize": "lower", "maximize": "higher"}
    return tuple(
        Axis(o.name, o.unit, better[o.direction])  # type: ignore[arg-type]
        for o in spec.objectives
    )
