"""Divides what a front leaves free into boxes, so that the gain of many points is one sum.

A point adds to a front the volume between it and the reference that no member of the front
dominates. What no member dominates is divided once for all points (box decomposition: Lacour et al.
2017, https://doi.org/10.1016/j.cor.2016.07.007). Then the gains of all points take a few array
operations, instead of two hypervolumes for each point.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

AXES = 3
"""Most objectives. Up to here there are at most twice as many boxes as members, and one."""

_Corners = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class FreeBoxes:
    """Boxes that do not overlap, and together are all that a front does not dominate.

    Attributes:
        low: Lower corners [B, M]; -inf where a box has no bound.
        high: Upper corners [B, M]; inf where a box has no bound.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, front: np.ndarray) -> FreeBoxes:
        """Divides what a front leaves free.

        Args:
            front: Losses [front, M], one row at least, for one to AXES objectives.
        """
        axes = front.shape[1]
        members = np.full((len(front), AXES), -np.inf)  # in a missing axis all points are equal
        members[:, :axes] = front
        members = members[np.argsort(members[:, -1], kind="stable")]
        stairs = _Stairs()
        boxes = [box for member in members.tolist() for box in stairs.add(*member)]
        corners = np.array([*boxes, *stairs.closed(0, len(stairs.tops), math.inf)])
        return cls(corners[:, 0, :axes], corners[:, 1, :axes])

    def added_volumes(self, losses: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """Returns the volume [N] that each point adds to the front.

        Args:
            losses: Losses of the points [N, M].
            reference: The corner [M] up to which volume counts.
        """
        volumes = np.ones((len(losses), len(self.low)))
        for axis, end in enumerate(reference):
            sides = np.minimum(self.high[:, axis], end) - np.maximum(
                self.low[:, axis], losses[:, axis, None]
            )
            volumes *= np.maximum(sides, 0.0, out=sides)
        added: np.ndarray = volumes.sum(axis=1)
        return added


@dataclass
class _Stairs:
    """The members up to a third loss, seen along it: steps that fall from left to right.

    Attributes:
        lefts: First loss at which each step begins; it ends where the next one begins.
        tops: Second loss of each step: points below are free.
        starts: Third loss from which on the step is like this.
    """

    lefts: list[float] = field(default_factory=lambda: [-math.inf])
    tops: list[float] = field(default_factory=lambda: [math.inf])
    starts: list[float] = field(default_factory=lambda: [-math.inf])

    def add(self, first: float, second: float, third: float) -> Iterator[_Corners]:
        """Adds a member; yields the boxes that end there. Members come by rising third loss."""
        step = bisect.bisect_right(self.lefts, first) - 1
        if self.tops[step] <= second:  # an earlier member dominates it
            return
        end = step
        while end < len(self.tops) and self.tops[end] > second:
            end += 1
        if self.lefts[step] < first:  # its left part stays as it is
            for values in (self.lefts, self.tops, self.starts):
                values.insert(step, values[step])
            step, end = step + 1, end + 1
            self.lefts[step] = first
        yield from self.closed(step, end, third)
        self.lefts[step:end] = [first]
        self.tops[step:end] = [second]
        self.starts[step:end] = [third]

    def closed(self, step: int, end: int, third: float) -> Iterator[_Corners]:
        """Yields the boxes of some steps that end at a third loss, without empty ones."""
        rights = [*self.lefts[step + 1 : end + 1], math.inf]
        for left, right, top, start in zip(
            self.lefts[step:end], rights, self.tops[step:end], self.starts[step:end], strict=False
        ):
            if top > -math.inf and start < third:
                yield (left, -math.inf, start), (right, top, third)
