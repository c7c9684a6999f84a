"""Prices of training: how much training each network that may be proposed still needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from paretune.search.sampling.features import Params, key_of
from paretune.search.study.elastic import priced_network

ARCHITECTURES = 16
"""Most different architectures in one call: the cost of a new one takes time to compute."""

REMEMBERED = 2000
"""Assignments whose prices are remembered: most of them are priced for many proposals."""

TrainingCost: TypeAlias = Callable[[Mapping[str, Any]], Callable[[], float]]
"""Choices of a plan -> a function that returns how much training it still needs, in any unit.

The function is called again after further trials, which may have trained some of it.
"""


class TrainingPrices:
    """Returns the training that assignments still need.

    Args:
        cost: Computes it.
        choices: Returns the concrete value of the space.
    """

    def __init__(self, cost: TrainingCost, choices: Callable[[Params], Mapping[str, Any]]) -> None:
        self._cost, self._choices = cost, choices
        self._prices: dict[Any, _Price] = {}

    def of(self, assignments: Sequence[Params]) -> np.ndarray:
        """Returns the training that each assignment still needs [N].

        It is infinite beyond the first ARCHITECTURES.
        """
        architectures: set[str] = set()
        costs = []
        for params in assignments:
            price = self._price(params)
            if len(architectures) < ARCHITECTURES:
                architectures.add(price.architecture)
            costs.append(price.now() if price.architecture in architectures else math.inf)
        return np.array(costs)

    def _price(self, params: Params) -> _Price:
        key = key_of(params)
        if key not in self._prices:
            if len(self._prices) >= REMEMBERED:
                self._prices.clear()
            self._prices[key] = _Price(self._choices(params), self._cost)
        return self._prices[key]


class _Price:
    """The price of one assignment; most of the work is done when it is asked for first.

    Attributes:
        architecture: Equal for choices whose prices follow from one count of operations.
    """

    def __init__(self, choices: Mapping[str, Any], cost: TrainingCost) -> None:
        self.architecture = priced_network(choices)
        self._choices, self._cost = choices, cost
        self._left: Callable[[], float] | None = None

    def now(self) -> float:
        """Returns the training that is left."""
        if self._left is None:
            self._left = self._cost(self._choices)
        return self._left()
