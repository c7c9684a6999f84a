"""The changes that are looked at, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paretune.search.profiling.advice.gains import Estimate


class Change(StrEnum):
    """What may be done to a layer, or to the whole network."""

    SEPARABLE = "separable"
    POOL = "pool"
    HALVE = "halve"
    HALVE_ALL = "halve_all"
    INT8 = "int8"
    LOWER = "lower"


WHAT = {
    Change.SEPARABLE: "depthwise separable",
    Change.POOL: "global average pooling before it",
    Change.HALVE: "pruned by half",
    Change.HALVE_ALL: "all layers pruned by half",
    Change.INT8: "static int8",
    Change.LOWER: "three quarters of the resolution",
}


@dataclass(frozen=True)
class Tried:
    """A change with what it is expected to leave.

    Attributes:
        layer: Path of the layer; "" for the whole network.
        change: Which change.
        estimate: What stays.
        hint: The line of a study that searches it.
    """

    layer: str
    change: Change
    estimate: Estimate
    hint: str
