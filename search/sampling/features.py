"""Assignments of a conditional space: drawn, changed a little, and as rows for a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from paretune.spaces.domains import Choice, Domain, Float, Int, Node, assign, parameters

Params: TypeAlias = Mapping[str, Any]
"""Parameter name -> number or label, of the parameters that exist in the branches taken."""

ABSENT = -1.0
"""The feature of a number that the branches taken do not have; those that exist lie in [0, 1]."""

STEP = 0.15
"""Spread of a small change of a number, as a share of its range."""


def key_of(params: Params) -> tuple[tuple[str, Any], ...]:
    """Equal assignments have equal keys."""
    return tuple(sorted(params.items()))


class FeatureEncoder:
    """An assignment as a row: one-hot for a choice (all zero when absent), [0, 1] for a number.

    Where several choices have the same labels, as the operations of a cell's edges or the kernels
    of a network's stages, it is told besides which share of them takes each label: how often an
    operation occurs says more of a network than where. On the tables of CIFAR-100 and ImageNet-16,
    200 trainings find .991 and .986 of the front with it, .984 and .978 without
    (tests/benchmarks/bench_tables.py). How much encodings matter: White et al. 2020,
    https://arxiv.org/abs/2007.04965. Where a number lies in a list of numbers, and the sizes of the
    architecture, let a Gaussian process rank unseen networks of studies/benchmark.yaml better, but
    48 replayed searches found no more.

    Args:
        space: The tree.
        counts: With these shares.
    """

    def __init__(self, space: Node, counts: bool = True) -> None:
        self._places: dict[str, tuple[int, Domain, dict[str, int]]] = {}
        self.width = 0
        for parameter in parameters(space):
            domain = parameter.domain
            labels = domain.labels if isinstance(domain, Choice) else []
            self._places[parameter.name] = (self.width, domain, _places(labels))
            self.width += len(labels) or 1
        self._alike: list[tuple[int, list[str], dict[str, int]]] = []
        for shared, names in _alike(space) if counts else ():
            self._alike.append((self.width, names, _places(shared)))
            self.width += len(shared)
        self._empty = np.zeros(self.width, dtype=np.float32)
        for first, domain, _ in self._places.values():
            if not isinstance(domain, Choice):
                self._empty[first] = ABSENT

    def row(self, params: Params) -> np.ndarray:
        """Features [width], float32 as trees take them."""
        row = self._empty.copy()
        for name, value in params.items():
            first, domain, places = self._places[name]
            if isinstance(domain, Choice):
                row[first + places[value]] = 1.0
            else:
                row[first] = _scaled(domain, value)
        for first, names, places in self._alike:
            for name in names:
                if name in params:
                    row[first + places[params[name]]] += 1.0 / len(names)
        return row


def _places(labels: Sequence[str]) -> dict[str, int]:
    return {label: place for place, label in enumerate(labels)}


def _alike(space: Node) -> list[tuple[Sequence[str], list[str]]]:
    """Labels, and the names of the choices that have them, where there are several."""
    found: dict[tuple[str, ...], list[str]] = {}
    for parameter in parameters(space):
        if isinstance(parameter.domain, Choice):
            found.setdefault(tuple(parameter.domain.labels), []).append(parameter.name)
    return [
        (labels, names) for labels, names in found.items() if min(map(len, (labels, names))) > 1
    ]


class RandomAssignments:
    """Assignments of a space at random.

    Args:
        space: The tree.
    """

    def __init__(self, space: Node) -> None:
        self._space = space
        self._parameters = list(parameters(space))

    def drawn(self, random: np.random.Generator) -> dict[str, Any]:
        """A uniform draw."""
        return self._made(lambda name, domain: _draw(domain, random))

    def mutated(self, parent: Params, random: np.random.Generator) -> dict[str, Any]:
        """A parent with one parameter changed, at times more; new branches are drawn."""
        names = list(parent)
        more = random.random()
        changes = 1 + (more < 0.3) + (more < 0.05)
        places = random.integers(len(names), size=changes) if names else ()
        chosen = {names[place] for place in places}

        def choose(name: str, domain: Domain) -> Any:
            if name not in parent:
                return _draw(domain, random)
            return _changed(domain, parent[name], random) if name in chosen else parent[name]

        return self._made(choose)

    def choices(self, params: Params) -> Any:
        """The concrete value of the space."""
        return assign(self._space, lambda name, _: params[name])

    def _made(self, choose: Callable[[str, Domain], Any]) -> dict[str, Any]:
        """What `assign` asks for, without making the value: most candidates are only looked at."""
        params: dict[str, Any] = {}
        for parameter in self._parameters:
            if all(params.get(name) == label for name, label in parameter.condition):
                params[parameter.name] = choose(parameter.name, parameter.domain)
        return params


def _draw(domain: Domain, random: np.random.Generator) -> Any:
    if isinstance(domain, Choice):
        return domain.options[int(random.integers(len(domain.options)))][0]
    return _value(domain, float(random.random()))


def _changed(domain: Domain, value: Any, random: np.random.Generator) -> Any:
    """Another value: for a number near the old one half of the time."""
    if isinstance(domain, Choice):
        others = [label for label, _ in domain.options if label != value]
        return others[int(random.integers(len(others)))] if others else value
    if random.random() < 0.5:
        return _draw(domain, random)
    place = _scaled(domain, value) + STEP * float(random.normal())
    return _value(domain, min(1.0, max(0.0, place)))


def _scaled(domain: Float | Int, value: float) -> float:
    """The place of a value within its domain, in [0, 1]."""
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.0


def _value(domain: Float | Int, place: float) -> float:
    """The value at a place in [0, 1], on the domain's grid where it has one."""
    low, high = float(domain.low), float(domain.high)
    if isinstance(domain, Int):
        low, high = low - 0.5, high + 0.5  # so that both ends are as likely as the others
    if domain.log:
        found = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    else:
        found = low + place * (high - low)
    if isinstance(domain, Int):
        steps = round((found - domain.low) / domain.step)
        return int(min(domain.high, max(domain.low, domain.low + steps * domain.step)))
    if domain.step is not None:
        steps = round((found - domain.low) / domain.step)
        return round(min(domain.high, domain.low + steps * domain.step), 12)
    return min(domain.high, max(domain.low, found))
