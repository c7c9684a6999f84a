"""The files that are measured: stored ones, or trained networks exported to another runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.search.building.watch import StageError, Watch
from paretune.search.files import sha256_of
from paretune.search.study.deployment import Deployment
from paretune.search.study.plan import Plan
from paretune.search.study.records import TrialRecord
from paretune.search.trial.workbench import artifact_of

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.trial.stage_study import StageStudy


EXPORTED = "exported for this runtime"


class MissingModel(Exception):
    """A trial has no model to measure; the text is the reason."""


class RetargetArtifacts:
    """The artifacts of a study's trials for another deployment.

    Args:
        study: The open study.
        deployment: The runtime with its options.
        earlier: Trial -> artifact that was exported to this runtime before.
    """

    def __init__(
        self, study: StageStudy, deployment: Deployment, earlier: Mapping[int, Mapping[str, Any]]
    ) -> None:
        self._study = study
        self._deployment = deployment
        self._earlier = earlier

    def artifact(self, trial: TrialRecord) -> tuple[Artifact, str]:
        """Returns a trial's file for the deployment, and a note on where the file comes from.

        Raises:
            MissingModel: There is no such file, and it cannot be made without training.
        """
        stored = self._study.workbench.artifact(trial, self._deployment.target)
        if stored.runtime == self._deployment.name:
            return _unchanged(stored), "the stored file"
        earlier = self._earlier.get(trial.number)
        if earlier is not None:
            artifact = artifact_of(earlier, self._study.spec.folder)
            self._study.workbench.fetched(artifact)
            if artifact.path.is_file() and sha256_of(artifact.path) == artifact.sha256:
                return artifact, str(artifact.info.get("note") or EXPORTED)
        return self._exported(trial)

    def _exported(self, trial: TrialRecord) -> tuple[Artifact, str]:
        pipeline, deployment = self._study.workbench.pipeline, self._deployment
        plan = Plan.from_json(trial.plan)
        dropped = pipeline.dropped(plan)
        if dropped:
            stages = "stage" if len(dropped) == 1 else "stages"
            raise MissingModel(
                f"its {stages} {' and '.join(dropped)} must be trained again (no longer in the "
                "stage cache), and retarget trains nothing"
            )
        try:
            candidate, note = pipeline.suited(plan, pipeline.candidate(plan, Watch()), deployment)
            folder = self._study.spec.folder / "retargets" / deployment.name
            file = folder / f"trial-{trial.number:05d}{deployment.runtime.suffix}"
            artifact = pipeline.deploy(plan, candidate, file, Watch(), deployment)
        except StageError as error:
            raise MissingModel(error.text) from error
        note = note or EXPORTED
        return replace(artifact, info={**artifact.info, "note": note}), note


def _unchanged(stored: Artifact) -> Artifact:
    """Returns the stored file.

    Raises:
        MissingModel: It is gone, or it is not the file that was measured.
    """
    if not stored.path.is_file():
        raise MissingModel(f"its file {stored.path.name} is gone")
    if sha256_of(stored.path) != stored.sha256:
        raise MissingModel(f"its file {stored.path.name} is not the one that the study measured")
    return stored
