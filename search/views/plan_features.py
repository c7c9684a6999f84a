"""Encodes plans as rows of numbers, without the space that they came from. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

ABSENT = 0.5
"""The feature of a number that a plan lacks: the middle of its range."""

LOG_FROM = 10.0
"""A number is scaled by its logarithm if its largest value is this many times its smallest."""


class PlanFeatures:
    """Encodes plans as rows: one-hot for words, a number in [0, 1] for numbers.

    Args:
        plans: All plans that are compared, as JSON; what is equal in all of them has no column.

    Attributes:
        rows: Features [N, width] of the plans.
    """

    def __init__(self, plans: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        leaves = [dict(_leaves(plan)) for plan in plans]
        names = list(dict.fromkeys(name for leaf in leaves for name in leaf))
        columns: list[np.ndarray] = []
        for name in names:
            columns += _columns([leaf.get(name) for leaf in leaves])
        self.rows = np.column_stack(columns) if columns else np.zeros((len(plans), 0))


def _columns(values: Sequence[Any]) -> list[np.ndarray]:
    """Returns the columns [N] of a parameter; None stands for plans that lack it."""
    present = [value for value in values if value is not None]
    if all(_is_number(value) for value in present):
        return _number_column(values, present)
    labels = [_word(value) for value in values]
    different = sorted(set(labels))
    if len(different) < 2:
        return []
    return [np.array([label == word for label in labels], dtype=float) for word in different]


def _number_column(values: Sequence[Any], present: Sequence[Any]) -> list[np.ndarray]:
    if not present or min(present) == max(present):
        return []
    low, high = float(min(present)), float(max(present))
    column = np.array([np.nan if value is None else float(value) for value in values])
    if low > 0 and high / low >= LOG_FROM:
        low, high, column = math.log(low), math.log(high), np.log(column)
    return [np.nan_to_num((column - low) / (high - low), nan=ABSENT)]


def _leaves(plan: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields (path, value) of each parameter; of a mapping with one key also the key as a word."""
    for stage in plan:
        yield stage["kind"], "present"
        yield from _branches(stage["kind"], stage["params"])


def _branches(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    if len(value) == 1 and isinstance(next(iter(value.values())), Mapping):
        yield path, next(iter(value))
    for name, item in value.items():
        yield from _branches(f"{path}.{name}", item)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
