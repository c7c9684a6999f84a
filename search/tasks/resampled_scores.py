"""Scores of bootstrap samples, where one computation gives all scores of a sample."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Compute = Callable[[np.ndarray], Mapping[str, float]]
"""Numbers of examples int64 [M], also repeated -> name -> score."""


class ResampledScores:
    """Remembers the scores of each sample, since the scores are bootstrapped one by one.

    Args:
        compute: Returns all scores of a sample.
        count: Number of examples.
    """

    def __init__(self, compute: Compute, count: int) -> None:
        self._compute = compute
        self._count = count
        self._memo: dict[str, Mapping[str, float]] = {}

    def pairs(self, names: list[str]) -> dict[str, Any]:
        """Returns name -> (numbers of the examples, what sums them up), as `score` of a task."""
        examples = np.arange(self._count)
        return {name: (examples, _Score(self.scores, name)) for name in names}

    def scores(self, rows: np.ndarray) -> Mapping[str, float]:
        """Returns the scores of a sample."""
        rows = np.asarray(rows, np.int64)
        key = hashlib.sha256(rows.tobytes()).hexdigest()
        if key not in self._memo:
            self._memo[key] = self._compute(rows)
        return self._memo[key]


class _Score:
    """One score of a sample."""

    def __init__(self, scores: Compute, name: str) -> None:
        self._scores = scores
        self._name = name

    def __call__(self, rows: np.ndarray) -> float:
        return self._scores(rows)[self._name]
