"""The noise between seeds: how much the results of one plan differ when it is trained again.

A sampler that takes every result for exact follows lucky draws. Plans that were trained more than
once show the variance between seeds (pooled: Snedecor and Cochran 1989, section 6.7). Then

- the process of the ensemble assumes at least this noise in its trials, and the leaves of the
  forest hold more of them;
- the front that proposals shall improve is that of the losses that the surrogate expects of its
  trials, so that a lucky draw is not chased (Picheny et al. 2013, section 4.2: "plug-in",
  https://doi.org/10.1007/s00158-013-0919-4);
- a plan that was trained again counts with its mean, which has less noise.

Nothing of this applies before two trainings of one plan are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paretune.search.sampling.kernel_fit import Kernel
from paretune.search.sampling.target_scale import TargetScale

ROUNDS = 4
"""Steps in which the noise of a kernel is raised: its signal becomes smaller each time."""

LARGEST_LEAF = 8
"""Most trials that a leaf of a tree must hold."""

LEAF_GROWTH = 3.0
"""Further trials in a leaf, for each part of noise to one of signal in the variance."""


@dataclass(frozen=True)
class SeedNoise:
    """The variance between seeds.

    Attributes:
        variances: Variance [M] of one training, by objective; 0 for one that seeds do not change.
        freedom: Degrees of freedom: trainings beyond the first of each plan.
    """

    variances: np.ndarray
    freedom: int

    def of(self, objectives: np.ndarray) -> np.ndarray:
        """Returns the variances of some objectives."""
        chosen: np.ndarray = self.variances[objectives]
        return chosen


def pooled_noise(plans: Iterable[Sequence[Sequence[float]]]) -> SeedNoise | None:
    """Returns the variance between trainings of one plan, pooled over plans.

    Args:
        plans: For each plan, the values [n, M] of its n trainings.

    Returns:
        None if no plan was trained twice.
    """
    squares, freedom = None, 0
    for trainings in plans:
        values = np.array(trainings, dtype=float)
        if len(values) < 2:
            continue
        apart = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        squares = apart if squares is None else squares + apart
        freedom += len(values) - 1
    return None if squares is None else SeedNoise(squares / freedom, freedom)


def scaled_variance(variance: float, losses: np.ndarray, scale: TargetScale) -> float:
    """Returns a variance of losses on the scale of the process, at the middle of the trials."""
    if variance <= 0:
        return 0.0
    apart = scale.of(losses + math.sqrt(variance)) - scale.of(losses)
    return float(np.median(apart) ** 2)


def with_noise(kernel: Kernel, rows: np.ndarray, targets: np.ndarray, variance: float) -> Kernel:
    """Returns the kernel with at least this variance of noise.

    Args:
        kernel: The likeliest kernel, whose noise is in variances of its signal.
        rows: Features [T, width] of the trials.
        targets: Values [T] of the trials.
        variance: On the scale of the targets.
    """
    for _ in range(ROUNDS):
        covariance = kernel.between(rows, rows) + (kernel.noise + 1e-8) * np.eye(len(rows))
        signal = max(float(targets @ np.linalg.solve(covariance, targets)) / len(rows), 1e-12)
        if kernel.noise * signal >= 0.999 * variance:
            break
        kernel = replace(kernel, noise=min(variance / signal, 100.0))
    return kernel


def leaf_size(variances: np.ndarray, losses: np.ndarray) -> int:
    """Returns how many trials a leaf must hold, by the noisiest objective; 1 without noise.

    Args:
        variances: Noise [K] of the objectives.
        losses: Losses [T, K] of the trials.
    """
    total = losses.var(axis=0)
    share = np.divide(variances, total, out=np.zeros_like(total), where=total > 0)
    worst = min(float(share.max(initial=0.0)), 0.9)
    most = max(1, min(LARGEST_LEAF, len(losses) // 4))
    return min(most, 1 + round(LEAF_GROWTH * worst / (1 - worst)))
