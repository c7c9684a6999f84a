"""What a task must know of the targets that the data has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TargetKind = Literal["class", "labels", "values", "mask", "boxes", "next"]
"""What one example is compared with: a class; 0 or 1 for each label; numbers; a class for each
pixel; boxes with a class each; or the next token at each position."""


@dataclass(frozen=True)
class TargetFacts:
    """Facts about the targets of a data set.

    Attributes:
        kind: What the targets are.
        size: Number of classes, labels, values, or tokens of the vocabulary.
        names: Names of classes, labels or values; empty if the data has none.
    """

    kind: TargetKind
    size: int
    names: tuple[str, ...] = ()
