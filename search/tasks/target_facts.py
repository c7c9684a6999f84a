"""What a task must know of the targets that the data has."""

from __future__ import annotations

from dataclasses import dataclass

from paretune.task import TargetKind

__all__ = ["TargetFacts", "TargetKind"]


@dataclass(frozen=True)
class TargetFacts:
    """Facts about the targets of a data set.

    Attributes:
        kind: What the targets are.
        size: Number of classes, labels, values, or tokens of the vocabulary.
        names: Names of classes, labels or values; empty if the data has none.
        image: Height and width of the images in pixels, for boxes; None for other targets.
    """

    kind: TargetKind
    size: int
    names: tuple[str, ...] = ()
    image: tuple[int, int] | None = None
