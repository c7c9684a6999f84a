"""Workbench: what the built-in stages need to build, deploy and measure the trials of a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from paretune.objectives.base import Subject
from paretune.objectives.runtimes.base import Artifact
from paretune.search.errors import UserError
from paretune.search.study.raced_stage import raced_stage
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    import torch

    from paretune.search.building.pipeline import Pipeline
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.building.watch import Watch
    from paretune.search.data.dataset import Dataset
    from paretune.search.database.store import Store
    from paretune.search.measuring.targets import Target
    from paretune.search.racing.race import Race
    from paretune.search.study.plan import Plan
    from paretune.search.study.records import TrialRecord
    from paretune.search.study.spec import StudySpec
    from paretune.spaces.base import Candidate


class Deployed(NamedTuple):
    """A candidate on one target: its artifact, and the float model behind it."""

    target: Target
    artifact: Artifact
    model: torch.nn.Module


@dataclass(frozen=True)
class Workbench:
    """The open parts of a study with built-in stages.

    Attributes:
        spec: The study.
        host: Digest of this host's fingerprint.
        data: Its data set.
        targets: Targets of the candidates, in order; one without a name in a study with one
            runtime.
        pipeline: Builds and deploys plans.
        cache: Keeps trained stages.
        store: The study database.
        race: Compares trials while they train; None if each trains to its end.
    """

    spec: StudySpec
    host: str
    data: Dataset
    targets: tuple[Target, ...]
    pipeline: Pipeline
    cache: StageCache
    store: Store
    race: Race | None

    def trained(self, plan: Plan) -> bool:
        """Returns whether the stage cache holds everything that a plan trains."""
        return self.pipeline.trained(plan)

    def forget(self, plan: Plan) -> None:
        """Drops the snapshot of an interrupted training."""
        self.pipeline.forget(plan, raced_stage(self.spec.space))

    def deploy(
        self, plan: Plan, candidate: Candidate, number: int, watch: Watch
    ) -> Iterator[Deployed]:
        """Deploys the candidate of a trial to each target.

        Raises:
            StageError: A target's runtime cannot export or quantize it.
        """
        from paretune.search.building.first_weights import NOTES, notes_of

        for target in self.targets:
            suited, note = candidate, ""
            if target.name is not None:  # a single runtime takes the plan as it is, or refuses it
                suited, note = self.pipeline.suited(plan, candidate, target.deployment)
            file = self.artifact_path(number, target)
            artifact = self.pipeline.deploy(plan, suited, file, watch, target.deployment)
            if weights := notes_of(suited):
                artifact = replace(artifact, info={**artifact.info, NOTES: weights})
            if note:
                artifact = replace(artifact, info={**artifact.info, "note": note})
            yield Deployed(target, artifact, suited.model)

    def subject(
        self,
        target: Target,
        artifact: Artifact,
        model: Any,
        baseline: TrialRecord | None,
        stage_seconds: Mapping[str, float] | None = None,
    ) -> Subject:
        """Returns an artifact to measure, with the artifact of the baseline on the same target.

        Args:
            target: Target of the artifact.
            artifact: Its file.
            model: Float model behind it.
            baseline: Trial 0; None for the baseline itself.
            stage_seconds: As in Subject.
        """
        baseline_artifact = self.artifact(baseline, target.name) if baseline else None
        reference = baseline.measurements if baseline else {}
        return target.subject(
            artifact, model, self.data, baseline_artifact, reference, stage_seconds
        )

    def artifact_path(self, number: int, target: Target) -> Path:
        """Returns the path of a trial's artifact for a target."""
        return self.spec.folder / "artifacts" / f"trial-{number:05d}{target.deployment.suffix}"

    def artifact_json(self, artifact: Artifact) -> dict[str, Any]:
        """Returns an artifact as the database stores it; the path is relative to the folder.

        A study with a store has the file there by then.
        """
        if self.cache.shared is not None:
            self.cache.shared.share(artifact.path)
        path = artifact.path.relative_to(self.spec.folder)
        return {
            "path": path.as_posix(),
            "runtime": artifact.runtime,
            "sha256": artifact.sha256,
            "bytes": artifact.bytes,
            "info": dict(artifact.info),
        }

    def artifact(self, trial: TrialRecord, target: str | None = None) -> Artifact:
        """Returns the artifact of a complete trial, for the first target if none is named."""
        return self.fetched(stored_artifact(trial, self.spec.folder, target))

    def fetched(self, artifact: Artifact) -> Artifact:
        """Returns an artifact whose file is here if the study's store has it."""
        if self.cache.shared is not None:
            self.cache.shared.bring_content(artifact.path, artifact.sha256)
        return artifact


def stored_artifact(trial: TrialRecord, folder: Path, target: str | None = None) -> Artifact:
    """Returns the artifact that a trial's record names.

    Args:
        trial: A complete trial that repeats no other.
        folder: The study's folder.
        target: Target name; None for the first target.

    Raises:
        UserError: The trial has no artifact for this target.
    """
    stored = trial.artifact if target is None else trial.artifacts.get(target)
    if target is not None and stored is None:
        names = ", ".join(trial.artifacts) or "none: the study has one runtime"
        hint = did_you_mean(target, list(trial.artifacts)) or "."
        raise UserError(f'trial {trial.number} has no target "{target}"{hint} Known: {names}.')
    assert stored is not None, "only complete trials that repeat no other have an artifact"
    return artifact_of(stored, folder)


def artifact_of(stored: Mapping[str, Any], folder: Path) -> Artifact:
    """Returns the artifact that `Workbench.artifact_json` stored."""
    return Artifact(
        folder / stored["path"],
        stored["runtime"],
        stored["sha256"],
        stored["bytes"],
        stored["info"],
    )
