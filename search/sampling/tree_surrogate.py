"""Trees: what a few of them say of quantities, each grown on a bootstrap of the trials.

The mean of few trees, plus noise as large as that mean's own error, is a draw from what is known:
few differ more than many. They take conditional spaces and steps as they come (Hutter 2011, SMAC).
They are grown on ranks (ranks.py), unless that is switched off.
"""

from __future__ import annotations

import numpy as np

from paretune.search.sampling.rank_transform import RankTransform
from paretune.search.study.sampler_options import ThompsonParams

BOOTSTRAP = 400
"""Trials that a tree is grown on at most, so that a proposal's cost does not grow."""


class TreeSurrogate:
    """Draws quantities by trees.

    Args:
        options: Of the sampler.
    """

    def __init__(self, options: ThompsonParams) -> None:
        self._options = options

    def draw(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """A draw [N, K] of K quantities at N rows from what was told [T, K] at T rows."""
        if not self._options.rank_transform:
            return self._by_values(rows, told, at, random)
        ranks = RankTransform(told)
        return ranks.values(self._by_values(rows, ranks.of, at, random))

    def _by_values(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """As `draw`, by trees that are grown on the numbers as they are."""
        thompson = self._options.acquisition == "thompson"
        trees = self._options.trees * (1 if thompson else 10)
        said = np.array([_grown(rows, told, at, random) for _ in range(trees)])
        mean: np.ndarray = said.mean(axis=0)
        if not thompson:
            return mean
        spread = said.std(axis=0) / np.sqrt(trees)
        noise: np.ndarray = self._options.noise * spread * random.standard_normal(mean.shape)
        drawn: np.ndarray = mean + noise
        return drawn

    def share(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Mean [N] of what was told [T], as a share of the trees' leaves."""
        trees = range(self._options.trees)
        found = [_grown(rows, told[:, None], at, random)[:, 0] for _ in trees]
        mean: np.ndarray = np.mean(found, axis=0)
        return mean


def _grown(
    rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """What a tree grown on a bootstrap of the trials says [N, K] at other rows."""
    import sklearn  # a second to import, for this sampler only
    from sklearn.tree import DecisionTreeRegressor

    sample = random.integers(len(rows), size=min(len(rows), BOOTSTRAP))
    with sklearn.config_context(skip_parameter_validation=True):
        tree = DecisionTreeRegressor(random_state=int(random.integers(2**31)))
        tree.fit(rows[sample], np.ascontiguousarray(told[sample]), check_input=False)
        said = tree.predict(at, check_input=False)
    return np.asarray(said).reshape(len(at), -1)
