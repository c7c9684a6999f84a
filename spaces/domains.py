"""A search space as a tree of literals, domains and conditional branches: pure data and functions.

`assign` turns a tree into one concrete value. It calls a function for each parameter that exists on
the branches taken; the function can be an optimizer, a test or a grid.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class Fixed:
    """A fixed value."""

    value: Any


@dataclass(frozen=True)
class Float:
    """A float in [low, high]; `log` samples its logarithm, `step` makes it a grid from low."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def count(self) -> float:
        """Number of values; infinite for a continuous range."""
        if self.low == self.high:
            return 1
        if self.step is None:
            return math.inf
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def values(self) -> list[float]:
        """Returns every value of a finite domain, in order."""
        if self.low == self.high or self.step is None:
            return [self.low]
        # Rounded so that 0.1 + 2 * 0.1 is 0.3 in a plan, a name and a hash.
        return [round(self.low + i * self.step, 12) for i in range(int(self.count))]


@dataclass(frozen=True)
class Int:
    """An integer in [low, high]; `log` samples its logarithm, `step` makes it a grid from low."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    @property
    def count(self) -> float:
        """Number of values."""
        return (self.high - self.low) // self.step + 1

    def values(self) -> list[int]:
        """Returns every value, in order."""
        return list(range(self.low, self.high + 1, self.step))


@dataclass(frozen=True)
class Choice:
    """One of several options. Each has a label, and a tree that exists if the option is taken."""

    options: tuple[tuple[str, Node], ...]

    @property
    def count(self) -> float:
        """Number of distinct concrete values over all branches."""
        return sum(count(node) for _, node in self.options)

    @property
    def labels(self) -> list[str]:
        """Labels of the options, in the order of the study file."""
        return [label for label, _ in self.options]

    def branch(self, label: str) -> Node:
        """Returns the tree of the option with this label.

        Raises:
            KeyError: No option has this label.
        """
        return dict(self.options)[label]


@dataclass(frozen=True)
class Record:
    """A mapping of keys to trees."""

    fields: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Items:
    """A list of trees, named by their indexes: 0, 1, ..."""

    items: tuple[Node, ...]

    @property
    def fields(self) -> tuple[tuple[str, Node], ...]:
        """Each tree with its index as its key."""
        return tuple((str(index), item) for index, item in enumerate(self.items))


Node = Fixed | Float | Int | Choice | Record | Items
Domain = Float | Int | Choice


@dataclass(frozen=True)
class Parameter:
    """A dimension of the space: its name, its domain, and the branches it depends on."""

    name: str
    domain: Domain
    condition: tuple[tuple[str, str], ...] = ()
    """(parameter name, label) pairs that must hold for this parameter to exist."""


def label_of(value: Any) -> str:
    """Returns the label of a literal among the options of a choice."""
    return value if isinstance(value, str) else json.dumps(value)


def parameters(
    node: Node, path: str = "", condition: tuple[tuple[str, str], ...] = ()
) -> Iterator[Parameter]:
    """Yields every parameter of a tree, in order, with the branches it depends on."""
    match node:
        case Record() | Items():
            for key, child in node.fields:
                yield from parameters(child, f"{path}.{key}" if path else key, condition)
        case Choice(options):
            yield Parameter(path, node, condition)
            for label, child in options:
                yield from parameters(child, path, (*condition, (path, label)))
        case Float() | Int():
            yield Parameter(path, node, condition)
        case Fixed():
            return


def assign(node: Node, choose: Callable[[str, Domain], Any], path: str = "") -> Any:
    """Returns one concrete value of a tree.

    Args:
        node: The tree.
        choose: Called with (parameter name, domain) for each parameter on the branches taken;
            returns a number for Float and Int, a label for Choice.
        path: Prefix of the parameter names of this tree.
    """
    match node:
        case Fixed(value):
            return value
        case Record(fields):
            return {
                key: assign(child, choose, f"{path}.{key}" if path else key)
                for key, child in fields
            }
        case Items(items):
            return [
                assign(child, choose, f"{path}.{index}" if path else str(index))
                for index, child in enumerate(items)
            ]
        case Choice():
            return assign(node.branch(choose(path, node)), choose, path)
        case Float() | Int():
            return choose(path, node)


def assigner(node: Node, path: str = "") -> Callable[[Mapping[str, Any]], Any]:
    """Returns a function: parameter name -> value, to one concrete value of the tree.

    It returns the same as `assign` in a fraction of the time. What it returns shares parts that
    have no parameter, so it must not be changed.

    Args:
        node: The tree.
        path: Prefix of the parameter names of this tree.
    """
    match node:
        case Fixed(value):
            return lambda params: value
        case Record() | Items():
            return _fields_assigner(node, path)
        case Choice(options):
            branches = {label: assigner(child, path) for label, child in options}
            return lambda params: branches[params[path]](params)
        case Float() | Int():
            return lambda params: params[path]


def _fields_assigner(node: Record | Items, path: str) -> Callable[[Mapping[str, Any]], Any]:
    shared: dict[str, Any] = {}
    varying: list[tuple[str, Callable[[Mapping[str, Any]], Any]]] = []
    for key, child in node.fields:
        make = assigner(child, f"{path}.{key}" if path else key)
        shared[key] = None  # in the order of the fields
        if next(parameters(child), None) is None:
            shared[key] = make({})
        else:
            varying.append((key, make))
    listed = isinstance(node, Items)
    fixed = list(shared.values()) if listed else shared
    if not varying:
        return lambda params: fixed

    def assigned(params: Mapping[str, Any]) -> Any:
        value = shared.copy()
        for key, make in varying:
            value[key] = make(params)
        return list(value.values()) if listed else value

    return assigned


def count(node: Node) -> float:
    """Returns the number of distinct concrete values; infinite with a continuous parameter."""
    match node:
        case Fixed():
            return 1
        case Record() | Items():
            return math.prod(count(child) for _, child in node.fields)
        case Choice() | Float() | Int():
            return node.count


def assignments(node: Node, path: str = "") -> Iterator[dict[str, Any]]:
    """Yields each assignment (parameter name -> number or label) of a finite tree once, in order.

    Raises:
        ValueError: A parameter is continuous.
    """
    match node:
        case Fixed():
            yield {}
        case Record() | Items():
            yield from _product([(f"{path}.{k}" if path else k, child) for k, child in node.fields])
        case Choice(options):
            for label, child in options:
                for rest in assignments(child, path):
                    yield {path: label, **rest}
        case Float() | Int():
            if math.isinf(node.count):
                raise ValueError(f"{path} is continuous: give it a step, or a choice")
            for value in node.values():
                yield {path: value}


def with_ends_only(node: Node) -> Node:
    """Returns a finite tree: each continuous parameter is reduced to its two ends."""
    match node:
        case Record(fields):
            return Record(tuple((key, with_ends_only(child)) for key, child in fields))
        case Items(items):
            return Items(tuple(with_ends_only(child) for child in items))
        case Choice(options):
            return Choice(tuple((label, with_ends_only(child)) for label, child in options))
        case Float(low, high) if math.isinf(node.count):
            return Float(low, high, step=high - low)
        case _:
            return node


def _product(parts: list[tuple[str, Node]]) -> Iterator[dict[str, Any]]:
    if not parts:
        yield {}
        return
    (path, node), *rest = parts
    for head in assignments(node, path):
        for tail in _product(rest):
            yield {**head, **tail}
