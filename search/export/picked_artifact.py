"""Which file an export hands out, and what the study says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.objectives.runtimes.base import Artifact
from paretune.search.export.latency_ratio import LATENCY, Ratio
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import local_of

if TYPE_CHECKING:
    from paretune.search.measuring.targets import Target
    from paretune.search.study.records import StudyRecord, TrialRecord
    from paretune.search.trial.stage_study import StageStudy


@dataclass(frozen=True)
class PickedArtifact:
    """A trial's artifact with what was measured of it.

    Attributes:
        trial: The trial.
        plan: Its plan.
        artifact: The file in the study's folder.
        target: Where it was measured: runtime and options.
        formats: Its number formats besides float32: ("static",).
        validation: Name -> Measurement on the validation part; names without the target's.
        test: On the test part; empty for a trial that was not on the front.
        baseline: The baseline's artifact; None where the trial is the baseline.
        reference: The baseline's measurements.
        quantities: Name -> options of all that the study measures.
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
        """The runtime's, as it was measured."""
        return self.target.deployment.options

    def latency(self) -> dict[str, Any] | None:
        """How a ratio of latencies was measured, and what came out; None where none was."""
        measured, reference = self.validation.get(LATENCY), self.reference.get(LATENCY)
        if self.baseline is None or measured is None or reference is None:
            return None
        return {
            "options": dict(self.quantities[LATENCY]),
            "ratio": Ratio.of(measured, reference).to_json(),
            "reference": reference.to_json(),
        }


def chosen(
    study: StageStudy, record: StudyRecord, trial: TrialRecord, target: str | None = None
) -> PickedArtifact:
    """What of a trial is exported: the one place that says so.

    Args:
        study: Open.
        record: Its record.
        trial: A complete one.
        target: One of the study's; the first where none is named.

    Raises:
        UserError: The trial has no artifact for such a target.
    """
    artifact = study.artifact(trial, target)
    where = next(t for t in study.targets if target in (None, t.name))
    plan, baseline = Plan.from_json(trial.plan), record.baseline
    stage = plan.stage("quantize")
    modes = stage.params["quantization"] if stage else {}
    beside = baseline if baseline is not None and baseline.number != trial.number else None
    return PickedArtifact(
        trial,
        plan,
        artifact,
        where,
        () if where.deployment.lacks(modes) else tuple(modes),
        local_of(trial.measurements, where.name),
        local_of(trial.test, where.name),
        study.artifact(beside, where.name) if beside else None,
        local_of(baseline.measurements, where.name) if baseline else {},
        dict(where.gauge.quantities),
    )
