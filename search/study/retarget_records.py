"""Records of `retarget`: measurements of a study's models in another deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord


@dataclass(frozen=True)
class RetargetedTrial:
    """The model of one trial in another deployment.

    Attributes:
        trial: Trial number.
        setting: Digest of target, runtime, options and host.
        target: The study's target that these measurements replace; None in a study of one runtime.
        runtime: Name of the runtime that measured.
        options: The runtime's options.
        host: Digest of the machine.
        measured_at: Unix time of the measurement.
        note: Which file was measured, or why none was.
        artifact: As in a TrialRecord; None if nothing was measured.
        measured: Part ("validation", "test") -> quantity -> measurement.
    """

    trial: int
    setting: str
    target: str | None
    runtime: str
    options: Mapping[str, Any]
    host: str
    measured_at: float
    note: str
    artifact: Mapping[str, Any] | None = None
    measured: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)


@dataclass(frozen=True)
class RetargetedStudy:
    """The models of a study in another deployment.

    Attributes:
        record: The study.
        deployment: Runtime and options with which its models were measured.
        rows: Trial number -> its model in this deployment; includes the baseline.
        host: Facts of the machine.
    """

    record: StudyRecord
    deployment: Deployment
    rows: Mapping[int, RetargetedTrial]
    host: Mapping[str, Any]
