"""Draws of the losses of assignments: several that spread evenly, or a random one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from paretune.search.front.pareto import Front
from paretune.search.sampling.ensemble import MOST_TRIALS, Ensemble
from paretune.search.sampling.history import History
from paretune.search.sampling.pool import PoolEntry
from paretune.search.sampling.seed_noise import SeedNoise

DRAWS, FEW_DRAWS = 16, 8
"""Draws for the expected improvement; the second with three or more objectives, for its time."""

WIDTH, FOREST_WIDTH = 1.5, 1.0
"""Width of these draws, in standard errors of the surrogate's mean; the second of a forest alone.

After few trials a process is too sure. With a width of 1 some searches stand still: on `slice` the
mean share after 25 trainings is .925 +- .026 (6 searches), with 1.5 it is .943 +- .006 (8). A
forest differs between proposals, by its bootstraps. With it, 1 finds .884 and .921 of the front of
`cells100` after 25 and 50 trainings, and 1.5 finds .862 and .904 (4 searches).
"""


class LossDraws:
    """Draws losses from the posterior of a surrogate that is fitted to the trials of a search.

    Args:
        names: Names of the objectives [M].
        signs: [M], -1 for an objective that is maximized.
        ensemble: The surrogate.
        history: The trials.
        several: Whether several draws are made that spread evenly; else a random one.
    """

    def __init__(
        self,
        names: list[str],
        signs: np.ndarray,
        ensemble: Ensemble,
        history: History,
        several: bool,
    ) -> None:
        self._names, self._signs = names, signs
        self._ensemble, self._history = ensemble, history
        self._draws = (DRAWS if len(names) <= 2 else FEW_DRAWS) if several else 1

    def draw(
        self,
        entries: Sequence[PoolEntry],
        rows: np.ndarray,
        noise: SeedNoise | None,
        random: np.random.Generator,
    ) -> np.ndarray:
        """Returns losses [S, N, M]: exact for cheap objectives, drawn for the others.

        Args:
            entries: The entries [N].
            rows: Their features [N, width].
            noise: The variance between seeds; None if it is not known.
            random: Random numbers for the draws.
        """
        losses = np.empty((self._draws, len(entries), len(self._names)))
        exact = np.array([name in entries[0].cheap for name in self._names])
        for index in np.flatnonzero(exact):
            values = np.array([entry.cheap[self._names[index]] for entry in entries])
            losses[:, :, index] = values * self._signs[index]
        if not exact.all():
            self._draw_unknown(losses, np.flatnonzero(~exact), rows, noise, random)
        return losses

    def _draw_unknown(
        self,
        losses: np.ndarray,
        objectives: np.ndarray,
        rows: np.ndarray,
        noise: SeedNoise | None,
        random: np.random.Generator,
    ) -> None:
        """Sets the losses [S, N, M] of some objectives, by their indices."""
        trial_rows, trial_losses = self._history.observations
        known = ~np.isnan(trial_losses)
        width = FOREST_WIDTH if self._ensemble.is_forest else WIDTH
        normals = width * _spread_normals(self._draws, len(self._names), random)
        # Together if possible, as a tree learns all quantities at once.
        is_joint = known[:, objectives].all()
        for group in [objectives] if is_joint else np.split(objectives, len(objectives)):
            some = known[:, group].all(axis=1)
            observed = trial_losses[some][:, group]
            of_group = None if noise is None else noise.of(group)
            args = (trial_rows[some], observed, self._signs[group], rows, random, of_group)
            if self._draws == 1:
                losses[0][:, group] = self._ensemble.draw(*args)
                continue
            posterior = self._ensemble.posterior(*args)
            shape = (len(rows), len(group))
            for draw, normal in zip(losses, normals, strict=True):
                draw[:, group] = posterior.losses(np.broadcast_to(normal[group], shape))

    def expected_front(self, noise: SeedNoise) -> np.ndarray:
        """Returns losses [front, M] of the front that the trials have without their luck.

        A trial that was trained n times counts with its mean for n - 1 parts, and with what the
        surrogate expects for one.
        """
        history = self._history
        indices = history.feasible(MOST_TRIALS)
        losses, noisy = history.losses, np.flatnonzero(noise.variances > 0)
        if not len(indices) or not len(noisy):
            return history.front
        rows, every = history.observations
        complete = ~np.isnan(every).any(axis=1)
        expected = losses[indices]
        posterior = self._ensemble.posterior(
            rows[complete],
            every[complete][:, noisy],
            self._signs[noisy],
            rows[indices],
            np.random.default_rng(len(rows)),
            noise.of(noisy),
        )
        expected[:, noisy] = posterior.losses(np.zeros((len(indices), len(noisy))))
        share = 1.0 / history.trainings[indices][:, None]
        front = Front()
        for index, point in enumerate(share * expected + (1 - share) * losses[indices]):
            front.add(index, point)
        return front.losses


def _spread_normals(draws: int, objectives: int, random: np.random.Generator) -> np.ndarray:
    """Returns numbers [S, M] that spread evenly over a normal distribution.

    Each objective takes the same quantiles in another order (McKay 1979, Latin hypercube).
    """
    if draws == 1:
        return np.zeros((1, objectives))
    normal = statistics.NormalDist()
    quantiles = np.array([normal.inv_cdf((draw + 0.5) / draws) for draw in range(draws)])
    columns = [random.permutation(quantiles) for _ in range(objectives)]
    return np.column_stack(columns)
