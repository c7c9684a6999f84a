"""The artifact that an export hands out, with its measurements in the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.objectives.runtimes.base import Artifact
from paretune.search.export.latency_ratio import LATENCY, LatencyRatio
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import local_values

if TYPE_CHECKING:
    from paretune.search.measuring.targets import Target
    from paretune.search.study.records import StudyRecord, TrialRecord
    from paretune.search.trial.workbench import Workbench


@dataclass(frozen=True)
class PickedArtifact:
    """A trial's artifact with its measurements and those of the baseline.

    Attributes:
        trial: The trial.
        plan: Its plan.
        artifact: The file in the study's folder.
        target: Runtime and options of the file.
        formats: Its number formats other than float32, for example ("static",).
        validation: Name without target -> Measurement on the validation part.
        test: The same on the test part; empty for a trial that was not on the front.
        baseline: The baseline's artifact; None if the trial is the baseline.
        reference: The baseline's measurements on the validation part.
        quantities: Name -> options of each quantity that the study measures.
    """

    trial: TrialRecord
    plan: Plan
    artifact: Artifact
    target: Target
    formats: tuple[str, ...]
    validation: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    baseline: Artifact | None
    reference: Mapping[str, Measurement]
    quantities: Mapping[str, Mapping[str, Any]]

    @property
    def options(self) -> Any:
        """Options of the runtime."""
        return self.target.deployment.options

    def latency(self) -> dict[str, Any] | None:
        """Returns the latency's ratio, reference and options as JSON.

        None without a baseline, or if the study has dropped the latency since.
        """
        measured, reference = self.validation.get(LATENCY), self.reference.get(LATENCY)
        options = self.quantities.get(LATENCY)
        if self.baseline is None or measured is None or reference is None or options is None:
            return None
        return {
            "options": dict(options),
            "ratio": LatencyRatio.of(measured, reference).to_json(),
            "reference": reference.to_json(),
        }


def pick_artifact(
    workbench: Workbench, record: StudyRecord, trial: TrialRecord, target: str | None = None
) -> PickedArtifact:
    """Returns the artifact of a trial that an export hands out.

    Args:
        workbench: Workbench of the study.
        record: Record of the study.
        trial: A complete trial.
        target: Target of the study; None for the first one.

    Raises:
        UserError: The trial has no artifact for this target.
    """
    artifact = workbench.artifact(trial, target)
    picked_target = next(t for t in workbench.targets if target in (None, t.name))
    plan, baseline = Plan.from_json(trial.plan), record.baseline
    stage = plan.stage("quantize")
    modes = stage.params["quantization"] if stage else {}
    relative_to = baseline if baseline is not None and baseline.number != trial.number else None
    return PickedArtifact(
        trial,
        plan,
        artifact,
        picked_target,
        () if picked_target.deployment.unsupported(modes) else tuple(modes),
        local_values(trial.measurements, picked_target.name),
        local_values(trial.test, picked_target.name),
        workbench.artifact(relative_to, picked_target.name) if relative_to else None,
        local_values(baseline.measurements, picked_target.name) if baseline else {},
        dict(picked_target.gauge.quantities),
    )
