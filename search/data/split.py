"""Splits a part by class, deterministically."""

from __future__ import annotations

import numpy as np


def split_by_class(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stay and rows that are split off, both ascending.

    Every class gives its share, rounded, but at least one example and not its last one; the choice
    within a class depends on the seed and the class alone, not on the other classes.

    Args:
        labels: int64 [N], each class at least twice.
        share: Of each class, in (0, 1).
        seed: Of the choice.

    Raises:
        ValueError: A class has fewer than two examples.
    """
    off: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise ValueError(
                f"class {label} has {len(rows)} example; a split needs two of each class"
            )
        count = min(max(1, round(len(rows) * share)), len(rows) - 1)
        chosen = np.random.default_rng([seed, int(label)]).permutation(rows)[:count]
        off.append(chosen)
    away = np.sort(np.concatenate(off))
    stay = np.setdiff1d(np.arange(len(labels)), away)
    return stay, away
