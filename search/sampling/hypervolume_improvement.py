"""Gains: what candidates would add to a front, each by all the points that come with it."""

from __future__ import annotations

import numpy as np

from paretune.search.front.pareto import hypervolume

BEYOND = 0.1
"""How far the hypervolume's reference lies beyond the worst seen, in ranges: what is worse than all
so far in one objective may yet be worth something for another."""


class HypervolumeImprovement:
    """Hypervolume that points add to a front, to a little beyond the worst seen.

    Args:
        front: Losses [front, M]; empty when there is none yet.
        every: Losses [T, M] of all trials, which must not be none.
        losses: Of the points [V, M].
        owners: The candidate [V] that each point comes with; every candidate has one at least.
        worthless: Points [V] that may not be, whatever they would add.
    """

    def __init__(
        self,
        front: np.ndarray,
        every: np.ndarray,
        losses: np.ndarray,
        owners: np.ndarray,
        worthless: np.ndarray,
    ) -> None:
        self._front, self._losses, self._owners = front, losses, owners
        self._reference = every.max(axis=0) + BEYOND * np.ptp(every, axis=0)
        self._width = np.where(np.ptp(every, axis=0) > 0, np.ptp(every, axis=0), 1.0)
        self.points = self._boxes()
        """At most so much [V] each point adds by itself; of two objectives just so much."""
        if losses.shape[1] == 2 and len(front):
            useful = self.points > 0
            self.points[useful] = _gains_of_two(losses[useful], front, self._reference)
        self.points[worthless] = 0.0
        self.bounds: np.ndarray = np.bincount(owners, weights=self.points)
        """At most so much [N] each candidate adds."""

    def of(self, candidate: int) -> float:
        """What a candidate adds."""
        mine = np.flatnonzero((self._owners == candidate) & (self.points > 0))
        points, reference = self._losses[mine], self._reference
        if not len(self._front) or not len(mine):
            return hypervolume(points, reference)
        if len(mine) == 1 and points.shape[1] == 2:
            return float(self.points[mine[0]])
        # What the front dominates of the points' boxes lies beyond their corner.
        inside = np.maximum(self._front, points.min(axis=0))
        if len(mine) == 1:
            return float(self.points[mine[0]]) - hypervolume(inside, reference)
        both = hypervolume(np.vstack([inside, points]), reference)
        return both - hypervolume(inside, reference)

    def best_point(self, candidate: int) -> int:
        """Of a candidate's points the one that adds most by itself."""
        mine = np.flatnonzero(self._owners == candidate)
        return int(mine[self.points[mine].argmax()])

    @property
    def distances(self) -> np.ndarray:
        """How far [V] each point is from adding anything, in widths of the front."""
        if not len(self._front):
            return np.zeros(len(self._losses))
        beyond = (self._losses[:, None] - self._front[None]) / self._width
        found: np.ndarray = beyond.max(axis=2).min(axis=1)
        return found

    def _boxes(self) -> np.ndarray:
        """From each point to the reference; nothing where the front dominates it."""
        below = (self._losses < self._reference).all(axis=1)
        boxes = np.where(below, (self._reference - self._losses).prod(axis=1), 0.0)
        if len(self._front):
            beaten = (self._front[None] <= self._losses[:, None]).all(axis=2)
            boxes[np.asarray(beaten).any(axis=1)] = 0.0
        return boxes


def _gains_of_two(losses: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Area [N] that each row [N, 2] adds to a front, strip by strip between its members."""
    ordered = front[np.lexsort((front[:, 1], front[:, 0]))]
    left = np.concatenate([[-np.inf], ordered[:, 0]])
    right = np.append(ordered[:, 0], reference[0])
    top = np.minimum(np.concatenate([[np.inf], ordered[:, 1]]), reference[1])
    wide = np.minimum(right, reference[0]) - np.maximum(left, losses[:, :1])
    high = top - losses[:, 1:]
    gains: np.ndarray = (np.maximum(wide, 0.0) * np.maximum(high, 0.0)).sum(axis=1)
    return gains
