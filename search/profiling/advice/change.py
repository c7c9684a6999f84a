"""The changes that advice considers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paretune.search.profiling.advice.estimates import ChangeEstimate


class Change(StrEnum):
    """A change of a layer, or of the whole network."""

    SEPARABLE = "separable"
    POOL = "pool"
    HALVE = "halve"
    HALVE_ALL = "halve_all"
    FORMAT = "format"
    LOWER = "lower"


DESCRIPTIONS = {
    Change.SEPARABLE: "depthwise separable convolution",
    Change.POOL: "global average pooling before it",
    Change.HALVE: "half of its outputs pruned",
    Change.HALVE_ALL: "half of each layer pruned",
    Change.FORMAT: "number formats, tried here",
    Change.LOWER: "three quarters of the resolution",
}

FORMATS = {"static": "static int8", "dynamic": "dynamic int8", "float16": "float16"}
"""Number formats that need no training -> their names in texts."""

SLOWER = 1.02
"""A format is slower if its whole interval lies beyond this multiple of the float file's time."""


@dataclass(frozen=True)
class EstimatedChange:
    """A change, what it is expected to leave, and how to search it.

    Attributes:
        layer: Path of the layer; "" for the whole network.
        kind: The change.
        estimate: Costs after the change.
        space_line: The line for the section `space` of a study file.
    """

    layer: str
    kind: Change
    estimate: ChangeEstimate
    space_line: str


@dataclass(frozen=True)
class TriedFormat:
    """A number format in which the network was deployed and timed, in turn with the float file.

    Attributes:
        mode: A key of FORMATS.
        time: Time of a run, as a share of the float file's; 0 if it does not run.
        low: Lower end of its 95 % interval.
        high: Upper end.
        size: Bytes of the file, as a share of the float file's.
        reason: Why it cannot be deployed; None if it can.
    """

    mode: str
    time: float = 0.0
    low: float = 0.0
    high: float = 0.0
    size: float = 1.0
    reason: str | None = None

    @property
    def slower(self) -> bool:
        """Whether it is slower than the float file beyond doubt."""
        return self.reason is None and self.low > SLOWER
