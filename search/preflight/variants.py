"""Variants: assignments of a space that together take every branch and both ends of each number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from paretune.search.study.spec import canonical
from paretune.spaces.domains import Choice, Domain, Float, Int, Node, Parameter, assign, parameters

Level = Literal["low", "middle", "high"]

NONE = "none"
"""The option of a section that changes nothing; other sections take it while one is tried."""


@dataclass(frozen=True)
class Variant:
    """One way to assign a section of the space.

    Attributes:
        option: The section's option, a branch of its choice; "" if the section has no choice.
        pins: Parameter name -> value, of the parameters that this variant decides.
        level: The value of all other numbers.
    """

    option: str = ""
    pins: Mapping[str, Any] = field(default_factory=dict)
    level: Level = "middle"

    def choices(self, space: Node) -> dict[str, Any]:
        """Returns the concrete value of the space, for `make_plan`."""

        def choose(name: str, domain: Domain) -> Any:
            return self.pins[name] if name in self.pins else default(domain, self.level)

        value: dict[str, Any] = assign(space, choose)
        return value


def default(domain: Domain, level: Level = "middle") -> Any:
    """Returns the value of a parameter that a variant leaves open.

    That is `none` or the first option of a choice, and an end or the middle of a number.
    """
    if isinstance(domain, Choice):
        return NONE if NONE in domain.labels else domain.labels[0]
    if level == "low":
        return domain.low
    if level == "high":
        return _highest(domain)
    return _middle(domain)


def variants(
    space: Node, section: str, numbers: Callable[[str], bool] = lambda name: True
) -> list[Variant]:
    """Returns variants of a section: its middle, every branch, and both ends of each number.

    Two variants with the same concrete value count once.

    Args:
        space: The space of the study.
        section: Key of the space, such as "architecture".
        numbers: Parameter name -> whether the ends of this number are tried.
    """
    distinct: dict[str, Variant] = {}
    for variant in _all(space, section, numbers):
        distinct.setdefault(canonical(variant.choices(space)[section]), variant)
    return list(distinct.values())


def random_choices(space: Node, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Returns concrete values of the space, drawn at random; the same seed gives the same ones."""
    generator = np.random.default_rng(seed)
    return [assign(space, lambda _, domain: _drawn(domain, generator)) for _ in range(count)]


def _all(space: Node, section: str, numbers: Callable[[str], bool]) -> Iterator[Variant]:
    mine = [p for p in parameters(space) if _in_section(p, section)]
    options = [o for p in mine if p.name == section and isinstance(p.domain, Choice)
               for o in p.domain.labels]  # fmt: skip
    for option in options or [""]:
        pins = {section: option} if option else {}
        inside = [
            p for p in mine if p.name != section and pins.items() <= dict(p.condition).items()
        ]
        yield Variant(option, pins)
        counted = [p for p in inside if not isinstance(p.domain, Choice) and numbers(p.name)]
        if counted:
            yield Variant(option, pins, "low")
            yield Variant(option, pins, "high")
        for parameter in inside:
            for value in _values(parameter, numbers):
                yield Variant(option, {**dict(parameter.condition), parameter.name: value})


def _values(parameter: Parameter, numbers: Callable[[str], bool]) -> list[Any]:
    domain = parameter.domain
    if isinstance(domain, Choice):
        return domain.labels
    return [domain.low, _highest(domain)] if numbers(parameter.name) else []


def _in_section(parameter: Parameter, section: str) -> bool:
    return parameter.name == section or parameter.name.startswith(f"{section}.")


def _highest(domain: Float | Int) -> Any:
    """Returns the highest value on the grid of a domain."""
    return domain.high if domain.step is None else domain.values()[-1]


def _middle(domain: Float | Int) -> Any:
    low, high = domain.low, domain.high
    middle = math.sqrt(low * high) if domain.log else (low + high) / 2
    return _on_grid(domain, middle)


def _drawn(domain: Domain, generator: np.random.Generator) -> Any:
    if isinstance(domain, Choice):
        return domain.labels[int(generator.integers(len(domain.labels)))]
    if domain.log:
        value = math.exp(generator.uniform(math.log(domain.low), math.log(domain.high)))
    else:
        value = generator.uniform(domain.low, domain.high)
    return _on_grid(domain, value)


def _on_grid(domain: Float | Int, value: float) -> Any:
    """Returns the value of a domain that is nearest to a number."""
    if isinstance(domain, Float) and (domain.step is None or domain.low == domain.high):
        return float(min(max(value, domain.low), domain.high))
    step = domain.step or 1
    index = min(round((value - domain.low) / step), int(domain.count) - 1)
    nearest = domain.low + index * step
    return int(nearest) if isinstance(domain, Int) else round(nearest, 12)
