"""A study of the built-in stages opened for work: its data, pipeline and what is measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.training_cost import Costs
from paretune.search.building.watch import Watch
from paretune.search.data import load_data
from paretune.search.database.structures import Structures
from paretune.search.errors import UserError
from paretune.search.measuring.targets import Target, targets_of
from paretune.search.running.final_session import measure_again
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.quantity import local_of
from paretune.search.study.raced_stage import raced_stage
from paretune.search.study.records import Result, TrialRecord
from paretune.search.trial.evaluation import evaluate
from paretune.search.trial.events import Reporter
from paretune.search.trial.open_study import OpenStudy
from paretune.search.trial.screening import Screening
from paretune.search.trial.structure_timings import StructureTimings
from paretune.spaces.table import nearest

if TYPE_CHECKING:
    from paretune.spaces.base import Candidate


class StageStudy(OpenStudy):
    """Everything that a run, an export and a verification need of a study.

    Attributes:
        targets: Where candidates are deployed, in order; one without a name in a study of one
            runtime.
        runtime, options: Of the first.
        cache: What trained stages are kept in.

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
        self.baseline = baseline_plan(spec.baseline, spec.runtime, spec.targets)
        self.targets = targets_of(spec, deployments(self.baseline))
        self.runtime, self.options = (
            self.targets[0].deployment.runtime,
            self.targets[0].deployment.options,
        )
        for target in self.targets:
            target.gauge.refuse(self.classes)
        self.timed = any(target.gauge.timed for target in self.targets)
        self.cache = StageCache(spec.folder / "stages", self.store, spec.cache_limit, self._needed)
        self.pipeline = Pipeline(
            self.data,
            self.cache,
            self.baseline,
            spec.seed,
            spec.device,
            self.store.add_curve,
        )
        costs = Costs(self.pipeline, self.cache, self.data)
        self.cost = lambda choices: costs.of(self.plan(choices))
        self.known = StructureTimings(self, Structures(self._engine))
        self.screening = Screening(self, self.known)

    def _needed(self) -> set[str]:
        """Keys of the stages of baseline, front and teachers, which stay in the cache."""
        rows = self.store.rows({0, *self.store.front_members()})
        plans = [self.baseline, *(Plan.from_json(row["plan"]) for row in rows)]
        return self.pipeline.keys(plans, self.spec.teachers.values())

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """The stages for one assignment of the space."""
        return make_plan(choices, self.spec.runtime, self.spec.teachers, self.spec.targets)

    def stages(self, plan: Plan) -> Sequence[str]:
        """The plan's stages; a runtime quantizes when it deploys."""
        return [*(s.kind for s in plan.stages if s.kind != "quantize"), "measure"]

    def trained(self, plan: Plan) -> bool:
        """Whether all that a plan trains is in the stage cache."""
        return self.pipeline.trained(plan)

    def forget(self, plan: Plan) -> None:
        """Drops what an interrupted training has come to."""
        self.pipeline.forget(plan, raced_stage(self.spec.space))

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Builds, deploys and measures a plan."""
        return evaluate(self, number, plan, baseline, report)

    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """What depends on data, on the test part."""
        return [
            measured
            for target in self.targets
            for measured in target.test(self.artifact(trial, target.name), self.data)
        ]

    def again(
        self, trials: Sequence[TrialRecord], seconds: float
    ) -> Mapping[int, Sequence[Measurement]]:
        """Baseline and trials in turn, a session for each target; the baseline is the first."""
        found: dict[int, list[Measurement]] = {trial.number: [] for trial in trials}
        until = time.monotonic() + seconds
        for index, target in enumerate(self.targets):
            left = (until - time.monotonic()) / (len(self.targets) - index)
            subjects = self._subjects(trials, target)
            measured = measure_again(target.gauge, subjects, left)
            for trial, known in zip(trials, measured, strict=True):
                found[trial.number] += target.named(known)
        return found

    def _subjects(self, trials: Sequence[TrialRecord], target: Target) -> list[Subject]:
        """The trials' artifacts for a target, to be timed beside the baseline's."""
        artifacts = [self.artifact(trial, target.name) for trial in trials]
        for artifact in artifacts:
            if not artifact.path.is_file():
                raise Unmeasurable(f"{artifact.path}: this file is gone")
        known = local_of(trials[0].measurements, target.name)
        deployment, no_model = target.deployment, cast(Any, None)  # no clock looks at a model
        return [
            Subject(
                artifact,
                deployment.runtime,
                deployment.options,
                no_model,
                self.data,
                artifacts[0],
                known,
            )
            for artifact in artifacts
        ]

    def facts(self) -> Mapping[str, Any]:
        """The data set and how its inputs are prepared."""
        return {
            "data": {"name": self.spec.data.name, **self.data.info()},
            "classes": self.data.classes,
            "shape": list(self.data.shape),
            "fingerprint": self.data.fingerprint,
            "preprocessing": self.data.preprocessing(),
        }

    def deploy(
        self, plan: Plan, candidate: Candidate, number: int, watch: Watch
    ) -> Iterator[tuple[Target, Artifact, torch.nn.Module]]:
        """A trial's artifact for each target, with the float model behind it.

        Raises:
            StageError: A target's runtime cannot export or quantize it.
        """
        for target in self.targets:
            suited, said = candidate, ""
            if target.name is not None:  # one runtime takes the plan as it is, or refuses it
                suited, said = self.pipeline.suited(plan, candidate, target.deployment)
            file = self.artifact_path(number, target)
            made = self.pipeline.deploy(plan, suited, file, watch, target.deployment)
            if said:
                made = replace(made, info={**made.info, "note": said})
            yield target, made, suited.model

    def artifact_path(self, number: int, target: Target) -> Path:
        """Where a trial's artifact for a target lies."""
        return self.spec.folder / "artifacts" / f"trial-{number:05d}{target.deployment.suffix}"

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

    def measure(
        self,
        target: Target,
        artifact: Artifact,
        model: Any,
        baseline: TrialRecord | None,
        made: Mapping[str, float] | None = None,
    ) -> list[Measurement]:
        """All that a target measures, beside the baseline where there is one (`Target.measure`)."""
        beside = self.artifact(baseline, target.name) if baseline else None
        known = baseline.measurements if baseline else {}
        return target.measure(artifact, model, self.data, beside, known, made)

    def artifact(self, trial: TrialRecord, target: str | None = None) -> Artifact:
        """The artifact of a complete trial, for the first target where none is named."""
        return stored_artifact(trial, self.spec.folder, target)


def stored_artifact(trial: TrialRecord, folder: Path, target: str | None = None) -> Artifact:
    """The artifact that a trial's record names.

    Args:
        trial: A complete one that repeats no other.
        folder: The study's.
        target: One of the study's; the first where none is named.

    Raises:
        UserError: The trial has no artifact for such a target.
    """
    stored = trial.artifact if target is None else trial.artifacts.get(target)
    if target is not None and stored is None:
        known = ", ".join(trial.artifacts) or "none: the study has one runtime"
        hint = nearest(target, list(trial.artifacts)) or "."
        raise UserError(f'trial {trial.number} has no target "{target}"{hint} Known: {known}.')
    assert stored is not None, "only complete trials that repeat no other have an artifact"
    return artifact_of(stored, folder)


def artifact_of(stored: Mapping[str, Any], folder: Path) -> Artifact:
    """An artifact from what `StageStudy.artifact_json` made of it."""
    return Artifact(
        folder / stored["path"],
        stored["runtime"],
        stored["sha256"],
        stored["bytes"],
        stored["info"],
    )
