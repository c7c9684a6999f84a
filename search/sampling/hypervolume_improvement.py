"""Computes the hypervolume improvement: what each network would add to a front.

A network may have several points, one for each number format; it adds what they add together.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from paretune.search.front.pareto import hypervolume

BEYOND = 0.1
"""How far the reference lies beyond the worst loss, in ranges of the losses.

A point that is worse than all trials in one objective can still add to the front by another.
"""


class HypervolumeImprovement:
    """Hypervolume that points would add to a front, up to a little beyond the worst loss.

    Args:
        front: Losses [front, M]; empty if there is no front yet.
        all_losses: Losses [T, M] of all trials; one at least.
        losses: Losses of the points [V, M].
        owners: Index of its network [V] for each point; every network has a point at least.
        excluded: Bool [V]: points that add nothing, as they break a constraint.

    Attributes:
        points: Upper bounds [V] of what each point alone adds; exact for two objectives.
        bounds: Upper bounds [N] of what each network adds.
    """

    def __init__(
        self,
        front: np.ndarray,
        all_losses: np.ndarray,
        losses: np.ndarray,
        owners: np.ndarray,
        excluded: np.ndarray,
    ) -> None:
        self._front, self._losses, self._owners = front, losses, owners
        self._reference = all_losses.max(axis=0) + BEYOND * np.ptp(all_losses, axis=0)
        self._width = np.where(np.ptp(all_losses, axis=0) > 0, np.ptp(all_losses, axis=0), 1.0)
        self.points = self._boxes()
        if losses.shape[1] == 2 and len(front):
            useful = self.points > 0
            self.points[useful] = _added_areas(losses[useful], front, self._reference)
        self.points[excluded] = 0.0
        self.bounds: np.ndarray = np.bincount(owners, weights=self.points)

    def of(self, network: int) -> float:
        """Returns what a network adds, by its index."""
        indices = np.flatnonzero((self._owners == network) & (self.points > 0))
        points, reference = self._losses[indices], self._reference
        if not len(self._front) or not len(indices):
            return hypervolume(points, reference)
        if len(indices) == 1 and points.shape[1] == 2:
            return float(self.points[indices[0]])
        # Only the front beyond the points' lower corner can dominate parts of their boxes.
        inside = np.maximum(self._front, points.min(axis=0))
        if len(indices) == 1:
            return float(self.points[indices[0]]) - hypervolume(inside, reference)
        joint = hypervolume(np.vstack([inside, points]), reference)
        return joint - hypervolume(inside, reference)

    def best_of(self, network: int, points: np.ndarray) -> int:
        """Returns the index of the network's point that has most of some values [V]."""
        indices = np.flatnonzero(self._owners == network)
        return int(indices[points[indices].argmax()])

    @property
    def distances(self) -> np.ndarray:
        """Distance [V] of each point from adding anything, in ranges of the losses."""
        if not len(self._front):
            return np.zeros(len(self._losses))
        behind = (self._losses[:, None] - self._front[None]) / self._width
        distances: np.ndarray = behind.max(axis=2).min(axis=1)
        return distances

    def _boxes(self) -> np.ndarray:
        """Returns the volume [V] from each point to the reference; 0 if the front dominates it."""
        below = (self._losses < self._reference).all(axis=1)
        boxes = np.where(below, (self._reference - self._losses).prod(axis=1), 0.0)
        if len(self._front):
            dominated = (self._front[None] <= self._losses[:, None]).all(axis=2)
            boxes[np.asarray(dominated).any(axis=1)] = 0.0
        return boxes


class ExpectedImprovement:
    """The mean of the hypervolume that each network adds, over draws of the losses.

    Args:
        draws: What the networks add in each draw.

    Attributes:
        points: Upper bounds [V] of what each point alone adds; exact for two objectives.
        bounds: Upper bounds [N] of what each network adds.
    """

    def __init__(self, draws: Sequence[HypervolumeImprovement]) -> None:
        self._draws = draws
        self.points: np.ndarray = np.mean([draw.points for draw in draws], axis=0)
        self.bounds: np.ndarray = np.mean([draw.bounds for draw in draws], axis=0)

    def of(self, network: int) -> float:
        """Returns what a network adds, by its index."""
        return statistics.fmean(draw.of(network) for draw in self._draws)

    def best_point(self, network: int) -> int:
        """Returns the index of the network's point that alone adds most."""
        return self._draws[0].best_of(network, self.points)

    @property
    def distances(self) -> np.ndarray:
        """Distance [V] of each point from adding anything, in ranges of the losses."""
        distances: np.ndarray = np.mean([draw.distances for draw in self._draws], axis=0)
        return distances


def _added_areas(losses: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Returns the area [N] that each row [N, 2] adds to a front, strip by strip."""
    ordered = front[np.lexsort((front[:, 1], front[:, 0]))]
    left = np.concatenate([[-np.inf], ordered[:, 0]])
    right = np.append(ordered[:, 0], reference[0])
    top = np.minimum(np.concatenate([[np.inf], ordered[:, 1]]), reference[1])
    wide = np.minimum(right, reference[0]) - np.maximum(left, losses[:, :1])
    high = top - losses[:, 1:]
    areas: np.ndarray = (np.maximum(wide, 0.0) * np.maximum(high, 0.0)).sum(axis=1)
    return areas
