"""Computes the hypervolume improvement: what each network would add to a front.

A network may have several points, one for each number format; it adds what they add together. If
its losses are drawn several times, it adds the mean over the draws.
"""

from __future__ import annotations

import statistics

import numpy as np

from paretune.search.front.pareto import hypervolume
from paretune.search.sampling.free_boxes import AXES, FreeBoxes

BEYOND = 0.1
"""How far the reference lies beyond the worst loss, in ranges of the losses.

A point that is worse than all trials in one objective can still add to the front by another.
"""


class HypervolumeImprovement:
    """Hypervolume that points would add to a front, up to a little beyond the worst loss.

    Args:
        front: Losses [front, M]; empty if there is no front yet.
        all_losses: Losses [T, M] of all trials; one at least.
        draws: Losses of the points [S, V, M] in each draw.
        owners: Index of its network [V] for each point; every network has a point at least.
        excluded: Bool [S, V]: points that add nothing in a draw, as they break a constraint.

    Attributes:
        points: What each point [V] alone adds in the mean; an upper bound for more than three
            objectives.
        bounds: Upper bounds [N] of what each network adds.
    """

    def __init__(
        self,
        front: np.ndarray,
        all_losses: np.ndarray,
        draws: np.ndarray,
        owners: np.ndarray,
        excluded: np.ndarray,
    ) -> None:
        self._front, self._draws, self._owners = front, draws, owners
        widths = np.ptp(all_losses, axis=0)
        self._reference = all_losses.max(axis=0) + BEYOND * widths
        self._widths = np.where(widths > 0, widths, 1.0)
        self._is_exact = not len(front) or draws.shape[2] <= AXES
        boxes = FreeBoxes.of(front) if len(front) and self._is_exact else None
        self._added = np.array([self._alone(losses, boxes) for losses in draws])
        self._added[excluded] = 0.0
        self.points: np.ndarray = self._added.mean(axis=0)
        self.bounds: np.ndarray = np.bincount(owners, weights=self.points)

    def of(self, network: int) -> float:
        """Returns what a network adds, by its index."""
        points = np.flatnonzero(self._owners == network)
        if self._is_exact and len(points) == 1:
            return float(self.points[points[0]])
        return statistics.fmean(self._joint(draw, points) for draw in range(len(self._draws)))

    def best_point(self, network: int) -> int:
        """Returns the index of the network's point that alone adds most."""
        points = np.flatnonzero(self._owners == network)
        return int(points[self.points[points].argmax()])

    @property
    def distances(self) -> np.ndarray:
        """Distance [V] of each point from adding anything, in ranges of the losses."""
        if not len(self._front):
            return np.zeros(self._draws.shape[1])
        distances: np.ndarray = np.mean([self._behind(losses) for losses in self._draws], axis=0)
        return distances

    def _behind(self, losses: np.ndarray) -> np.ndarray:
        apart = (losses[:, None] - self._front[None]) / self._widths
        behind: np.ndarray = apart.max(axis=2).min(axis=1)
        return behind

    def _alone(self, losses: np.ndarray, boxes: FreeBoxes | None) -> np.ndarray:
        """Returns what each point [V] alone adds; without boxes, the volume to the reference."""
        volumes = np.zeros(len(losses))
        useful = (losses < self._reference).all(axis=1)
        if len(self._front):
            dominated = (self._front[None] <= losses[:, None]).all(axis=2)
            useful &= ~np.asarray(dominated).any(axis=1)
        if boxes is None:
            volumes[useful] = (self._reference - losses[useful]).prod(axis=1)
        else:
            volumes[useful] = boxes.added_volumes(losses[useful], self._reference)
        return volumes

    def _joint(self, draw: int, points: np.ndarray) -> float:
        """Returns what some points together add in a draw."""
        useful = points[self._added[draw, points] > 0]
        losses, reference = self._draws[draw, useful], self._reference
        if not len(self._front) or not len(useful):
            return hypervolume(losses, reference)
        # Only the front beyond the points' lower corner can dominate parts of their boxes.
        inside = np.maximum(self._front, losses.min(axis=0))
        if len(useful) == 1:
            alone = float(self._added[draw, useful[0]])
            return alone if self._is_exact else alone - hypervolume(inside, reference)
        joint = hypervolume(np.vstack([inside, losses]), reference)
        return joint - hypervolume(inside, reference)
