"""Encodes assignments of a conditional space as rows of features; draws and mutates assignments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from paretune.spaces.domains import (
    Choice,
    Domain,
    Float,
    Int,
    Node,
    assign,
    assigner,
    parameters,
)

Params: TypeAlias = Mapping[str, Any]
"""Parameter name -> number or label, of the parameters that exist in the branches taken."""

Key: TypeAlias = tuple[tuple[str, Any], ...]
"""Equal for equal assignments."""

ABSENT = -1.0
"""The feature of a number that does not exist in the branches taken; others lie in [0, 1]."""

STEP = 0.15
"""Standard deviation of a small change of a number, as a share of its range."""


def filled(rows: np.ndarray) -> np.ndarray:
    """Returns rows of features with absent numbers set to the middle, 0.5."""
    return np.where(rows == ABSENT, 0.5, rows).astype(float)


def key_of(params: Params) -> Key:
    """Returns the key of an assignment."""
    return tuple(sorted(params.items()))


class FeatureEncoder:
    """Encodes an assignment as a row: one-hot for a choice, a number in [0, 1] for a number.

    A choice that does not exist in the branches taken is all zero.

    Several choices may have the same labels, for example the operations of a cell's edges, or the
    kernels of a network's stages. Then the row also has, for each label, the share of the choices
    that take it: its frequency matters more than its position. On the tables of CIFAR-100 and
    ImageNet-16, 200 trainings find .991 and .986 of the front with these shares, .984 and .978
    without (tests/benchmarks/bench_tables.py). How much encodings matter: White et al. 2020,
    https://arxiv.org/abs/2007.04965.

    A choice among three or more numbers also has their order, as a number in [0, 1].

    The sizes of the architecture were tried as features. With them a Gaussian process ranked unseen
    networks of studies/benchmark.yaml better, but 48 replayed searches found no more.

    Args:
        space: The space of the study.
        label_counts: Whether the row has these shares.
        estimate: Returns one more feature of an assignment, in [0, 1] or ABSENT: what is known of
            it before its trial; None if nothing is.
    """

    def __init__(
        self,
        space: Node,
        label_counts: bool = True,
        estimate: Callable[[Params], float] | None = None,
    ) -> None:
        self._estimate = estimate
        self._columns: dict[str, tuple[int, Domain, dict[str, int]]] = {}
        self.width = 0
        for parameter in parameters(space):
            domain = parameter.domain
            labels = domain.labels if isinstance(domain, Choice) else []
            self._columns[parameter.name] = (self.width, domain, _indices(labels))
            self.width += len(labels) or 1
        self._shared: list[tuple[int, list[str], dict[str, int]]] = []
        for shared, names in _shared_labels(space) if label_counts else ():
            self._shared.append((self.width, names, _indices(shared)))
            self.width += len(shared)
        self._ranks: dict[str, tuple[int, dict[str, float]]] = {}
        for name, (_, domain, _) in self._columns.items():
            ranks = _ranks(domain.labels) if isinstance(domain, Choice) else {}
            if ranks:
                self._ranks[name] = (self.width, ranks)
                self.width += 1
        self.width += estimate is not None
        self._empty = np.zeros(self.width, dtype=np.float32)
        for first, domain, _ in self._columns.values():
            if not isinstance(domain, Choice):
                self._empty[first] = ABSENT

    @property
    def groups(self) -> np.ndarray:
        """Group of each feature [width]: a parameter, its order of numbers, or shared labels."""
        starts = [first for first, _, _ in self._columns.values()]
        starts += [first for first, _, _ in self._shared]
        starts += [first for first, _ in self._ranks.values()]
        starts += [self.width - 1] if self._estimate is not None else []
        groups: np.ndarray = np.searchsorted(starts, np.arange(self.width), side="right") - 1
        return groups

    @property
    def is_ordered(self) -> bool:
        """Whether a parameter is a number, or a choice among numbers."""
        domains = (domain for _, domain, _ in self._columns.values())
        return bool(self._ranks) or any(not isinstance(domain, Choice) for domain in domains)

    def row(self, params: Params) -> np.ndarray:
        """Returns features [width], float32 as trees take them."""
        row = self._empty.copy()
        for name, value in params.items():
            first, domain, indices = self._columns[name]
            if isinstance(domain, Choice):
                row[first + indices[value]] = 1.0
                if name in self._ranks:
                    column, ranks = self._ranks[name]
                    row[column] = ranks[value]
            else:
                row[first] = scaled(domain, value)
        for first, names, indices in self._shared:
            for name in names:
                if name in params:
                    row[first + indices[params[name]]] += 1.0 / len(names)
        if self._estimate is not None:
            row[-1] = self._estimate(params)
        return row


def _ranks(labels: Sequence[str]) -> dict[str, float]:
    """Returns the position in [0, 1] of each label in their numeric order; {} if any is no number.

    The rank counts, not the number: the values of a list such as 16, 32, 64 are equal steps.
    """
    if len(labels) < 3:
        return {}
    try:
        numbers = sorted(labels, key=float)
    except ValueError:
        return {}
    return {label: index / (len(labels) - 1) for index, label in enumerate(numbers)}


def _indices(labels: Sequence[str]) -> dict[str, int]:
    return {label: index for index, label in enumerate(labels)}


def _shared_labels(space: Node) -> list[tuple[Sequence[str], list[str]]]:
    """Returns (labels, names of the choices) of each set of labels that several choices have."""
    names_of: dict[tuple[str, ...], list[str]] = {}
    for parameter in parameters(space):
        if isinstance(parameter.domain, Choice):
            names_of.setdefault(tuple(parameter.domain.labels), []).append(parameter.name)
    return [
        (labels, names) for labels, names in names_of.items() if min(map(len, (labels, names))) > 1
    ]


class RandomAssignments:
    """Draws assignments of a space at random.

    Attributes:
        parameters: The parameters of the space, in order.

    Args:
        space: The space of the study.
    """

    def __init__(self, space: Node) -> None:
        self._space, self._assigner = space, assigner(space)
        self.parameters = list(parameters(space))
        self._fields = [(each.name, each.domain, each.condition) for each in self.parameters]
        self._deciding = {name for each in self.parameters for name, _ in each.condition}

    def draw(self, random: np.random.Generator, decided: Params | None = None) -> dict[str, Any]:
        """Returns a uniform draw.

        Args:
            random: Random numbers.
            decided: Values of some parameters, which stay.
        """
        decided = decided or {}
        return self.assign(
            lambda name, domain: decided[name] if name in decided else _draw(domain, random)
        )

    def draw_value(self, domain: Domain, random: np.random.Generator) -> Any:
        """Returns a uniform draw of one parameter."""
        return _draw(domain, random)

    def mutate(self, parent: Params, random: np.random.Generator) -> dict[str, Any]:
        """Returns the parent with one parameter changed, or sometimes two or three.

        Parameters of branches that are new are drawn.
        """
        names = list(parent)
        draw = random.random()
        changes = 1 + (draw < 0.3) + (draw < 0.05)
        indices = random.integers(len(names), size=changes) if names else ()
        changed = {names[index] for index in indices}
        if changed.isdisjoint(self._deciding):  # the branches stay
            return {
                name: _changed(domain, parent[name], random) if name in changed else parent[name]
                for name, domain, _ in self._fields
                if name in parent
            }

        def choose(name: str, domain: Domain) -> Any:
            if name not in parent:
                return _draw(domain, random)
            return _changed(domain, parent[name], random) if name in changed else parent[name]

        return self.assign(choose)

    def choices(self, params: Params) -> Any:
        """Returns the concrete value of the space."""
        return assign(self._space, lambda name, _: params[name])

    def shared_choices(self, params: Params) -> Any:
        """Returns the same in less time, with parts that other values share: not to be changed."""
        return self._assigner(params)

    def assign(self, choose: Callable[[str, Domain], Any]) -> dict[str, Any]:
        """Returns the parameters that `assign` asks for, without building the value.

        Most assignments are only compared, so their value is not needed.
        """
        params: dict[str, Any] = {}
        for name, domain, condition in self._fields:
            for other, label in condition:  # `all` takes three times as long
                if params.get(other) != label:
                    break
            else:
                params[name] = choose(name, domain)
        return params


def _draw(domain: Domain, random: np.random.Generator) -> Any:
    if isinstance(domain, Choice):
        return domain.options[int(random.integers(len(domain.options)))][0]
    return value_at(domain, float(random.random()))


def _changed(domain: Domain, value: Any, random: np.random.Generator) -> Any:
    """Returns another value; half of the time, a number close to the old one."""
    if isinstance(domain, Choice):
        others = [label for label, _ in domain.options if label != value]
        return others[int(random.integers(len(others)))] if others else value
    if random.random() < 0.5:
        return _draw(domain, random)
    position = scaled(domain, value) + STEP * float(random.normal())
    return value_at(domain, min(1.0, max(0.0, position)))


def scaled(domain: Float | Int, value: float) -> float:
    """Returns the position of a value within its domain, in [0, 1]."""
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low) if high > low else 0.0


def value_at(domain: Float | Int, position: float) -> float:
    """Returns the value at a position in [0, 1], on the domain's grid if it has one."""
    low, high = float(domain.low), float(domain.high)
    if isinstance(domain, Int):
        low, high = low - 0.5, high + 0.5  # so that both ends are as likely as the others
    if domain.log:
        value = math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
    else:
        value = low + position * (high - low)
    if isinstance(domain, Int):
        steps = round((value - domain.low) / domain.step)
        return int(min(domain.high, max(domain.low, domain.low + steps * domain.step)))
    if domain.step is not None:
        steps = round((value - domain.low) / domain.step)
        return round(min(domain.high, domain.low + steps * domain.step), 12)
    return min(domain.high, max(domain.low, value))
