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
    """Encodes a plan as a row: one-hot for words, a number in [0, 1] for numbers.

    Args:
        plans: All plans that are compared, as JSON; what is equal in all of them has no column.
    """

    def __init__(self, plans: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        leaves = [dict(_leaves(plan)) for plan in plans]
        names = list(dict.fromkeys(name for leaf in leaves for name in leaf))
        self._numbers: dict[str, tuple[float, float, bool]] = {}
        self._words: dict[str, list[str]] = {}
        for name in names:
            values = [leaf[name] for leaf in leaves if name in leaf]
            if all(_is_number(value) for value in values):
                low, high = float(min(values)), float(max(values))
                if low < high:
                    self._numbers[name] = (low, high, low > 0 and high / low >= LOG_FROM)
            else:
                labels = [_word(leaf.get(name)) for leaf in leaves]
                if len(set(labels)) > 1:
                    self._words[name] = sorted(set(labels))

    def row(self, plan: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Returns features [width]."""
        leaf = dict(_leaves(plan))
        row = [self._scaled(leaf.get(name), *scale) for name, scale in self._numbers.items()]
        for name, labels in self._words.items():
            row += [float(_word(leaf.get(name)) == label) for label in labels]
        return np.array(row, dtype=float)

    def _scaled(self, value: float | None, low: float, high: float, log: bool) -> float:
        if value is None:
            return ABSENT
        if log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


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
    return json.dumps(value, sort_keys=True, default=str)
