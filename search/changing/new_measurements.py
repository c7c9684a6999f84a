"""What was measured of an earlier trial; apart, as the stages' own code needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.objectives.base import Measurement


class NotMeasurable(Exception):
    """An earlier trial cannot be measured without training; the text is the reason."""


@dataclass(frozen=True)
class NewMeasurements:
    """What was measured of an earlier trial.

    Attributes:
        measured: The measurements.
        artifacts: "artifact" and "artifacts" of its row, if its files were made again; else empty.
    """

    measured: tuple[Measurement, ...]
    artifacts: Mapping[str, Any] = field(default_factory=dict)
