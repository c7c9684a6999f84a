"""Splits off missing parts by class, deterministically."""

from __future__ import annotations

import numpy as np

from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.errors import UserError

TEST_SHARE = 0.2
"""Share of the training part that becomes the test part if a source has none."""


def complete_parts(raw: RawData, params: SplitParams, seed: int) -> dict[str, RawPart]:
    """Returns the three parts; missing ones are split off the training part.

    Raises:
        UserError: A class has too few examples to split.
    """
    parts = dict(raw.parts)
    for part, share in (("test", TEST_SHARE), ("validation", params.validation)):
        if part in parts:
            continue
        try:
            stay, off = split_by_class(parts["train"].labels, share, seed)
        except ValueError as error:
            raise UserError(f"{raw.name}: no {part} part is given, and {error}") from error
        parts[part], parts["train"] = parts["train"].take(off), parts["train"].take(stay)
    return parts


def split_by_class(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that stay and the rows that are split off, both ascending.

    Every class loses its share, rounded, but at least one example and never its last one. The
    choice within a class depends on the seed and that class alone.

    Args:
        labels: int64 [N], each class at least twice.
        share: Share of each class that is split off, in (0, 1).
        seed: Seed of the choice.

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
        off.append(np.random.default_rng([seed, int(label)]).permutation(rows)[:count])
    away = np.sort(np.concatenate(off))
    stay = np.setdiff1d(np.arange(len(labels)), away)
    return stay, away
