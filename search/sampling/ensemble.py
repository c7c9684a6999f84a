"""The ensemble: a Gaussian process and a random forest that predict losses together.

Neither is best everywhere. The process needs fewer trials where parameters add up, trees find steps
and interactions. So for each objective they are weighted by how well they predict trials that they
were not fitted to (stacking: Wolpert 1992): the process by its leave-one-out predictions, which
have a closed form (Sundararajan & Keerthi 2001), the trees by trials outside of their bootstraps.

Kernel and weight are fitted again whenever the trials have grown by GROWTH, to the first trials in
their order. So most proposals take no fit, and a resumed run has the same kernels and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretune.search.sampling.features import filled
from paretune.search.sampling.kernel_fit import Kernel, fit_kernel
from paretune.search.sampling.random_forest import ForestPosterior, RandomForest
from paretune.search.sampling.seed_noise import leaf_size, scaled_variance, with_noise
from paretune.search.sampling.target_scale import TargetScale
from paretune.search.study.sampler_options import ThompsonParams

GROWTH = 1.2
"""Growth of the number of trials between two fits."""

MOST_TRIALS = 256
"""Most trials that the process predicts from, so that the time of a proposal does not grow."""

NEGLIGIBLE = 0.1
"""A smaller weight counts as 0, and its model takes no time."""

SHRINKAGE = 10.0
"""Trials that a weight of one half counts for: a few trials do not tell which model is better."""


@dataclass(frozen=True)
class _Fit:
    """A kernel, and the weight of the process in [0, 1]; the forest has the rest."""

    kernel: Kernel
    weight: float


@dataclass(frozen=True)
class _Process:
    """Normal distributions of one objective [N] by the process.

    Attributes:
        weight: Weight of the process, above 0; the forest has the rest.
        scale: Scale of the mean and the deviation.
        mean: Means [N].
        deviation: Standard deviations [N].
    """

    weight: float
    scale: TargetScale
    mean: np.ndarray
    deviation: np.ndarray


@dataclass(frozen=True)
class EnsemblePosterior:
    """Distributions of losses [N, K] by both models.

    Attributes:
        processes: Those of the process for each objective; None where the forest predicts alone.
        forest: Those of the forest; None if the process predicts every objective alone.
    """

    processes: Sequence[_Process | None]
    forest: ForestPosterior | None

    def losses(self, normal: np.ndarray) -> np.ndarray:
        """Returns the losses [N, K] at standard normal numbers [N, K], which both models share."""
        losses = np.zeros(normal.shape) if self.forest is None else self.forest.losses(normal)
        for k, process in enumerate(self.processes):
            if process is None:
                continue
            targets = process.mean + process.deviation * normal[:, k]
            if process.weight < 1:
                of_forest = process.scale.of(losses[:, k])
                targets = process.weight * targets + (1 - process.weight) * of_forest
            losses[:, k] = process.scale.inverse(targets)
        return losses


class Ensemble:
    """Draws losses from a Gaussian process, a random forest, or both.

    If no parameter of the space has an order, as in cells, the forest works alone. The process
    predicts better on the mean there, but misses parts of the front. On NAS-Bench-201's CIFAR-10
    (10 seeds), the forest's share of the front after 25, 50 and 100 trainings is .977, .987 and
    .994; with both up to 50 trials it is .961, .976 and .994.

    Attributes:
        is_forest: Whether the forest works alone.

    Args:
        options: Options of the sampler.
        forest: The random forest.
        groups: Group of each feature [width], as FeatureEncoder has them.
        is_ordered: Whether a parameter of the space has an order.
    """

    def __init__(
        self,
        options: ThompsonParams,
        forest: RandomForest,
        groups: np.ndarray,
        is_ordered: bool = True,
    ) -> None:
        self._options, self._forest, self._groups = options, forest, groups
        self._noise = 0.0 if options.acquisition == "mean" else options.noise
        both = options.surrogate == "ensemble" and is_ordered
        self.is_forest = not both and options.surrogate != "gaussian_process"
        self._fits: dict[bytes, _Fit] = {}

    def draw(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        signs: np.ndarray,
        at: np.ndarray,
        random: np.random.Generator,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns a draw of losses [N, K].

        Args:
            rows: Features [T, width] of the trials.
            losses: Losses [T, K] of the trials.
            signs: [K], -1 for a quantity that is maximized.
            at: Features [N, width] for which losses are drawn.
            random: Random numbers for the draw.
            noise: Variances [K] between seeds; None if they are not known.
        """
        if self.is_forest:
            leaf = 1 if noise is None else leaf_size(noise, losses)
            return self._forest.draw(rows, losses, at, random, leaf=leaf)
        # The same numbers for both models, so that their errors do not cancel.
        normal = random.standard_normal((len(at), len(signs)))
        return self.posterior(rows, losses, signs, at, random, noise).losses(normal)

    def posterior(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        signs: np.ndarray,
        at: np.ndarray,
        random: np.random.Generator,
        noise: np.ndarray | None = None,
    ) -> EnsemblePosterior | ForestPosterior:
        """Returns the distribution of losses; the arguments are those of `draw`."""
        leaf = 1 if noise is None else leaf_size(noise, losses)
        if self.is_forest:
            return self._forest.posterior(rows, losses, at, random, leaf)
        all_rows, all_at = filled(rows), filled(at)
        variances = np.zeros(len(signs)) if noise is None else noise
        fits = [
            self._fit(all_rows, rows, losses[:, k], signs[k], float(variances[k]))
            for k in range(len(signs))
        ]
        forest = None
        if any(fit.weight < 1 for fit in fits):
            forest = self._forest.posterior(rows, losses, at, random, leaf)
        processes: list[_Process | None] = []
        for k, fit in enumerate(fits):
            process = None
            if fit.weight > 0:
                scale = TargetScale(losses[:, k], float(signs[k]))
                mean, deviation = predict(fit.kernel, all_rows, scale.targets, all_at, random)
                process = _Process(fit.weight, scale, mean, self._noise * deviation)
            processes.append(process)
        return EnsemblePosterior(processes, forest)

    def _fit(
        self,
        all_rows: np.ndarray,
        rows: np.ndarray,
        losses: np.ndarray,
        sign: float,
        variance: float,
    ) -> _Fit:
        """Returns kernel and weight of an objective: those of the first trials, as GROWTH says."""
        count = _fitted(len(rows))
        rows, all_rows, losses = rows[:count], all_rows[:count], losses[:count]
        key = rows.tobytes() + losses.tobytes() + repr(variance).encode()
        if key not in self._fits:
            if len(self._fits) >= 32:
                self._fits.clear()
            scale = TargetScale(losses, sign)
            kernel = fit_kernel(all_rows, scale.targets, self._groups)
            if variance > 0:
                noise = scaled_variance(variance, losses, scale)
                kernel = with_noise(kernel, all_rows, scale.targets, noise)
            self._fits[key] = _Fit(kernel, self._weight(kernel, all_rows, rows, losses, sign))
        return self._fits[key]

    def _weight(
        self,
        kernel: Kernel,
        all_rows: np.ndarray,
        rows: np.ndarray,
        losses: np.ndarray,
        sign: float,
    ) -> float:
        if self._options.surrogate == "gaussian_process":
            return 1.0
        scale = TargetScale(losses, sign)
        process = left_out(kernel, all_rows, scale.targets)
        predicted, is_out = self._forest.out_of_bag(rows, losses)
        forest = scale.of(predicted)
        apart = (process - forest)[is_out]
        along = (scale.targets - forest)[is_out] @ apart
        prior = SHRINKAGE * float((apart**2).mean()) if is_out.any() else 0.0
        weight = float((along + 0.5 * prior) / (apart @ apart + prior or 1.0))
        weight = min(1.0, max(0.0, weight))
        return float(round(weight)) if min(weight, 1 - weight) < NEGLIGIBLE else weight


def _fitted(trials: int) -> int:
    """Returns the number of trials to which the kernel is fitted."""
    count = 1
    while True:
        following = max(count + 1, math.ceil(GROWTH * count))
        if following > trials:
            return count
        count = following


def left_out(kernel: Kernel, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the prediction [T] of each trial from the others."""
    covariance = kernel.between(rows, rows) + (kernel.noise + 1e-8) * np.eye(len(rows))
    inverse = np.linalg.inv(covariance)
    predictions: np.ndarray = targets - inverse @ targets / np.diag(inverse)
    return predictions


def predict(
    kernel: Kernel,
    rows: np.ndarray,
    targets: np.ndarray,
    at: np.ndarray,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and the standard deviation [N] at rows.

    Args:
        kernel: The kernel.
        rows: Features [T, width] of the trials; of more than MOST_TRIALS, the better half of as
            many, and others at random.
        targets: Values [T] of the trials; lower is better.
        at: Features [N, width].
        random: Chooses trials.
    """
    if len(rows) > MOST_TRIALS:
        order = np.argsort(targets, kind="stable")
        half = MOST_TRIALS // 2
        others = random.choice(order[half:], size=MOST_TRIALS - half, replace=False)
        subset = np.sort(np.concatenate([order[:half], others]))
        rows, targets = rows[subset], targets[subset]
    from scipy.linalg import solve_triangular

    covariance = kernel.between(rows, rows) + (kernel.noise + 1e-8) * np.eye(len(rows))
    root = np.linalg.cholesky(covariance)
    inverse = solve_triangular(root, np.eye(len(rows)), lower=True, check_finite=False)
    solved = inverse @ targets
    variance = max(float(solved @ solved) / len(targets), 1e-12)
    across = inverse @ kernel.between(rows, at)
    explained = np.einsum("tn,tn->n", across, across)
    posterior = variance * (kernel.variances(at) - explained)
    return solved @ across, np.sqrt(np.maximum(posterior, 0.0))
