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
    INT8 = "int8"
    LOWER = "lower"


DESCRIPTIONS = {
    Change.SEPARABLE: "depthwise separable convolution",
    Change.POOL: "global average pooling before it",
    Change.HALVE: "half of its outputs pruned",
    Change.HALVE_ALL: "half of each layer pruned",
    Change.INT8: "static int8 quantization",
    Change.LOWER: "three quarters of the resolution",
}


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
