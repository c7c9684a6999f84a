"""The name of a quantity, `objective[.value][@target]`: the one place that knows this grammar.

    latency            the objective's own value, of the first target
    accuracy.balanced  another value of an objective that gives several
    latency@phone      of the artifact for one of the study's targets
    pkg.mod:Class.x    an objective of the user's own, by dotted path

Without a target, a quantity of the artifact is that of the first target.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paretune.objectives.base import Better, ValueSpec

PARTS = ("Params", "unit", "better")
"""Without which a class is no objective."""

AT = "@"
"""Stands before the target."""


@dataclass(frozen=True)
class Quantity:
    """What is measured, and where.

    Attributes:
        objective: Its name in the table of objectives, or a dotted path.
        value: Which of its values, or None for its own.
        target: Name of a target of the study, or None where there is no choice.
    """

    objective: str
    value: str | None = None
    target: str | None = None

    @staticmethod
    def of(name: str) -> Quantity:
        """Takes a name apart; whether there is such a quantity is not looked at.

        A value is told from an objective by the first dot, in a dotted path by the first behind the
        colon.
        """
        rest, _, target = name.partition(AT)
        module, colon, attribute = rest.rpartition(":")
        head, _, value = attribute.partition(".")
        return Quantity(f"{module}{colon}{head}", value or None, target or None)

    @property
    def local(self) -> str:
        """Without the target: what the quantity is called where one artifact is measured."""
        return self.objective + (f".{self.value}" if self.value else "")

    def at(self, target: str | None) -> Quantity:
        """The same of another target."""
        return replace(self, target=target)

    @property
    def name(self) -> str:
        """As the study file writes it."""
        return self.local + (f"{AT}{self.target}" if self.target else "")

    def entry(self) -> Any:
        """The objective's class.

        Raises:
            ValueError: There is none of this name (UnknownName), or it is no objective.
        """
        from paretune.search.study.tables import (
            OBJECTIVES,  # with pydantic, which a name does not need
        )

        entry = OBJECTIVES.get(self.objective)
        if not all(hasattr(entry, part) for part in PARTS):
            raise ValueError(
                f'"{self.objective}" is no objective: it has no Params, unit or better'
            )
        return entry

    def spec(self) -> ValueSpec:
        """Unit and direction.

        Raises:
            ValueError: There is no such objective, or it has no such value.
        """
        from paretune.spaces.table import first_line, nearest

        entry = self.entry()
        if self.value is None:
            better: Better = entry.better
            return ValueSpec(entry.unit, better, first_line(entry) if entry.__doc__ else "")
        known = further(entry)
        if self.value in known:
            return known[self.value]
        if not known:
            raise ValueError(
                f'{self.objective} has one value only, no "{self.value}": write {self.objective}'
            )
        hint = nearest(self.value, list(known)) or "."
        names = ", ".join(f"{self.objective}.{value}" for value in known)
        raise ValueError(f'{self.objective} has no value "{self.value}"{hint} It has {names}.')


def further(entry: Any) -> Mapping[str, ValueSpec]:
    """An objective's further values; most have none."""
    found: Mapping[str, ValueSpec] = getattr(entry, "values", {})
    return found


def absent(entry: Any, runtime: Any = None, options: Any = None) -> str | None:
    """Why an objective cannot be measured on this machine; None when it can, as most can."""
    ask = getattr(entry, "unavailable", None)
    why: str | None = ask(runtime, options) if ask else None
    return why


def units() -> dict[str, str]:
    """Name -> unit of every quantity of the built-in objectives."""
    from paretune.search.study.tables import OBJECTIVES

    found = {}
    for name in OBJECTIVES.names:
        entry = OBJECTIVES.get(name)
        found[name] = entry.unit
        found |= {f"{name}.{value}": spec.unit for value, spec in further(entry).items()}
    return found


def of_artifact(objective: Any) -> bool:
    """Whether an objective differs from target to target: not what the model alone decides."""
    return bool(getattr(objective, "of_artifact", objective.cost > 0))


def resolved(name: str, known: Container[str], targets: Sequence[str]) -> str:
    """The known name that a name means: itself, or that of the first target.

    Args:
        name: As the user wrote it.
        known: Names of all that is measured.
        targets: Of the study, in order; empty in a study of one runtime.
    """
    first = f"{name}{AT}{targets[0]}" if targets else name
    return first if name not in known and first in known else name


def local_of(measured: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    """Of things by quantity, those of one target and of the model, by their local names."""
    found = {name: Quantity.of(name) for name in measured}
    return {q.local: measured[name] for name, q in found.items() if q.target in (None, target)}
