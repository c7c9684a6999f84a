"""A study of the built-in stages opened for work: its data, pipeline and what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from objectives.base import Measurement
from objectives.runtimes.base import Artifact
from search.cache import StageCache
from search.data import load_data
from search.evaluation import evaluate
from search.events import Reporter
from search.measuring import Gauge
from search.opened import Opened
from search.pipeline import Pipeline, deployment
from search.plan import Plan, baseline_plan, make_plan
from search.plugins import RUNTIMES
from search.records import Result, TrialRecord


class OpenStudy(Opened):
    """Everything that a run, an export and a verification need of a study.

    Args:
        spec: The study.

    Raises:
        UserError: Database, data or runtime cannot be used, or the database holds another study.
    """

    packages = ("paretune", "torch", "onnxruntime", "onnx", "optuna", "torch-pruning")

    baseline: Plan

    def prepare(self) -> None:
        """Loads the data and makes the pipeline."""
        spec = self.spec
        # For training too, and before any of it: a runtime that flushes when it first measures
        # would make weights depend on what a process did before.
        torch.set_flush_denormal(True)
        self.data = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed)
        self.classes = self.data.classes
        self.gauge = Gauge.of(spec)
        self.gauge.refuse(self.classes)
        self.baseline = baseline_plan(spec.baseline, spec.runtime)
        self.pipeline = Pipeline(
            self.data,
            StageCache(spec.folder / "stages", self.store),
            self.baseline,
            spec.seed,
            spec.device,
            self.store.add_curve,
        )
        name, self.options = deployment(self.baseline)
        self.runtime = RUNTIMES.get(name)

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """The stages for one assignment of the space."""
        return make_plan(choices, self.spec.runtime, self.spec.teachers)

    def stages(self, plan: Plan) -> Sequence[str]:
        """The plan's stages; a runtime quantizes when it deploys."""
        return [*(s.kind for s in plan.stages if s.kind != "quantize"), "measure"]

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Builds, deploys and measures a plan."""
        return evaluate(self, number, plan, baseline, report)

    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """What depends on data, on the test part."""
        artifact = self.artifact(trial)
        return self.gauge.test(artifact, self.runtime, self.options, None, self.data)

    def facts(self) -> Mapping[str, Any]:
        """The data set and how its inputs are prepared."""
        return {
            "data": {"name": self.spec.data.name, **self.data.info()},
            "classes": self.data.classes,
            "shape": list(self.data.shape),
            "fingerprint": self.data.fingerprint,
            "preprocessing": self.data.preprocessing(),
        }

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
