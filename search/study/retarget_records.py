"""What `retarget` measured, for those who keep it and those who show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord


@dataclass(frozen=True)
class Retargeted:
    """A trial's model in another place.

    Attributes:
        trial: Its number.
        setting: Digest of target, runtime, options and host.
        target: Of the study, whose quantities these are; None in a study of one runtime.
        runtime: Where it was measured.
        options: Of the runtime.
        host: Digest of the machine.
        measured_at: Unix time.
        note: Which file was measured, or why none was.
        artifact: As in a TrialRecord; None where nothing was measured.
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
class Retargeting:
    """What a study's models are in another place.

    Attributes:
        record: The study.
        place: Where they were measured.
        rows: Trial -> what came of it; the baseline among them.
        host: Facts of the machine.
    """

    record: StudyRecord
    deployment: Deployment
    rows: Mapping[int, Retargeted]
    host: Mapping[str, Any]
