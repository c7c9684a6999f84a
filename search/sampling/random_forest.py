"""The random forest as a surrogate: predicts losses of untrained networks by a few trees.

Each tree is fitted to a bootstrap of the trials. The mean of few trees, plus noise as large as the
mean's own standard error, is a draw from a posterior: few trees differ more than many. Trees take
conditional spaces and steps as they are (Hutter 2011, SMAC). They are fitted to ranks
(rank_transform.py), unless that is switched off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paretune.search.sampling.rank_transform import RankTransform
from paretune.search.study.sampler_options import ThompsonParams

BOOTSTRAP = 400
"""Most trials for one tree, so that the time of a proposal does not grow."""

VALIDATION_TREES = 16
"""Trees that predict trials outside of their bootstraps: each trial is outside of about six."""


@dataclass(frozen=True)
class ForestPosterior:
    """A normal distribution of each loss, on the scale that the trees are fitted to.

    Attributes:
        mean: Means [N, K].
        error: Standard deviations [N, K].
        transform: Brings losses to that scale; None if the trees are fitted to the losses.
    """

    mean: np.ndarray
    error: np.ndarray
    transform: RankTransform | None

    def losses(self, normal: np.ndarray) -> np.ndarray:
        """Returns the losses [N, K] at standard normal numbers [N, K]."""
        targets: np.ndarray = self.mean + self.error * normal
        return targets if self.transform is None else self.transform.inverse(targets)


class RandomForest:
    """Draws losses from the posterior of a random forest.

    Args:
        options: Options of the sampler.
    """

    def __init__(self, options: ThompsonParams) -> None:
        self._options = options

    def draw(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        at: np.ndarray,
        random: np.random.Generator,
        normal: np.ndarray | None = None,
        leaf: int = 1,
    ) -> np.ndarray:
        """Returns a draw of losses [N, K].

        Args:
            rows: Features [T, width] of the trials.
            losses: Losses [T, K] of the trials.
            at: Features [N, width] for which losses are drawn.
            random: Random numbers for the bootstraps, the trees and the draw.
            normal: Standard normal numbers [N, K] for the draw, in place of those of `random`.
            leaf: Fewest trials in a leaf: more for noisy results.
        """
        posterior = self.posterior(rows, losses, at, random, leaf)
        if normal is None:
            normal = np.zeros(posterior.mean.shape)
            if self._options.acquisition != "mean":
                normal = random.standard_normal(posterior.mean.shape)
        return posterior.losses(normal)

    def posterior(
        self,
        rows: np.ndarray,
        losses: np.ndarray,
        at: np.ndarray,
        random: np.random.Generator,
        leaf: int = 1,
    ) -> ForestPosterior:
        """Returns the distribution of losses; the arguments are those of `draw`."""
        is_mean = self._options.acquisition == "mean"
        transform = RankTransform(losses) if self._options.rank_transform else None
        targets = losses if transform is None else transform.ranks
        trees = self._options.trees * (10 if is_mean else 1)
        predictions = np.array([_tree(rows, targets, at, random, leaf) for _ in range(trees)])
        noise = 0.0 if is_mean else self._options.noise
        error = noise * predictions.std(axis=0) / np.sqrt(trees)
        return ForestPosterior(predictions.mean(axis=0), error, transform)

    def out_of_bag(self, rows: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicts each trial by the trees whose bootstrap it is not in, from a fixed seed.

        Args:
            rows: Features [T, width] of the trials.
            losses: Losses [T] of the trials.

        Returns:
            The predicted losses [T], and which of them there are [T].
        """
        random = np.random.default_rng(len(rows))
        transform = RankTransform(losses[:, None])
        targets = transform.ranks if self._options.rank_transform else losses[:, None]
        total, count = np.zeros(len(rows)), np.zeros(len(rows))
        for _ in range(VALIDATION_TREES):
            sample = random.integers(len(rows), size=min(len(rows), BOOTSTRAP))
            is_out = np.ones(len(rows), dtype=bool)
            is_out[sample] = False
            out = np.flatnonzero(is_out)
            if len(out):
                total[out] += _fit(rows, targets, sample, rows[out], random)[:, 0]
                count[out] += 1
        mean = np.where(count > 0, total / np.maximum(count, 1), targets.mean())[:, None]
        predicted = transform.inverse(mean) if self._options.rank_transform else mean
        return predicted[:, 0], count > 0

    def probability(
        self, rows: np.ndarray, successes: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Returns the probability of success [N]: the mean of 0 and 1 in the trees' leaves.

        Args:
            rows: Features [T, width] of the trials.
            successes: 1 or 0 [T] for each trial.
            at: Features [N, width] for which the probability is returned.
            random: Random numbers for the bootstraps and the trees.
        """
        trees = range(self._options.trees)
        predictions = [_tree(rows, successes[:, None], at, random)[:, 0] for _ in trees]
        mean: np.ndarray = np.mean(predictions, axis=0)
        return mean


def _tree(
    rows: np.ndarray,
    losses: np.ndarray,
    at: np.ndarray,
    random: np.random.Generator,
    leaf: int = 1,
) -> np.ndarray:
    """Returns the predictions [N, K] of a tree that is fitted to a bootstrap of the trials."""
    sample = random.integers(len(rows), size=min(len(rows), BOOTSTRAP))
    return _fit(rows, losses, sample, at, random, leaf)


def _fit(
    rows: np.ndarray,
    losses: np.ndarray,
    sample: np.ndarray,
    at: np.ndarray,
    random: np.random.Generator,
    leaf: int = 1,
) -> np.ndarray:
    """Returns the predictions [N, K] of a tree that is fitted to a sample of the trials."""
    import sklearn  # a second to import, for this surrogate only
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(random_state=int(random.integers(2**31)), min_samples_leaf=leaf)
    with sklearn.config_context(skip_parameter_validation=True):
        tree.fit(rows[sample], np.ascontiguousarray(losses[sample]), check_input=False)
    # Not by `predict` of the regressor: its checks take longer than the prediction.
    return np.asarray(tree.tree_.predict(at)).reshape(len(at), -1)
