"""Quantity: the name of what is measured, `objective[.value][@target]` or `score[@target]`.

    latency            the objective's main value, for the first target
    accuracy.balanced  a further value of an objective that gives several
    latency@phone      measured on the artifact for one of the study's targets
    pkg.mod:Class.x    a further value of the user's own objective, by dotted path
    map50              a score of the study's task: no objective has this name
    map50@phone        the score of the artifact for one target

No other module parses these names.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paretune.objectives import OBJECTIVES as BUILT_IN
from paretune.objectives import SCORE
from paretune.objectives.base import Better, ValueSpec
from paretune.objectives.metrics import metric_of

__all__ = [
    "SCORE",
    "SUSTAINED",
    "Quantity",
    "depends_on_artifact",
    "full_name",
    "further_values",
    "local_values",
    "unavailable_reason",
    "units",
]

REQUIRED = ("Params", "unit", "better")
"""The attributes that every objective's class has."""

SUSTAINED = "latency.sustained"
"""The quantity that only a device under load has."""

AT = "@"
"""Separates the target."""


@dataclass(frozen=True)
class Quantity:
    """A value that is measured, and the target that it is measured for.

    Attributes:
        objective: Name in the table of objectives, a dotted path, or `SCORE`.
        value: Name of a further value, or None for the main one. The name of a score.
        target: Name of a target, or None: the quantity does not depend on it, or there is only one.
    """

    objective: str
    value: str | None = None
    target: str | None = None

    @staticmethod
    def of(name: str) -> Quantity:
        """Parses a name, without checking that there is such a quantity.

        The first dot separates the value; in a dotted path, the first dot after the colon. What is
        no objective is a score of the study's task.
        """
        rest, _, target = name.partition(AT)
        module, colon, attribute = rest.rpartition(":")
        head, _, value = attribute.partition(".")
        if not colon and not _is_objective(head):
            return Quantity(SCORE, rest, target or None)
        return Quantity(f"{module}{colon}{head}", value or None, target or None)

    @property
    def further(self) -> bool:
        """Whether it is a further value, and not the main one of its objective or a score."""
        return self.value is not None and self.objective != SCORE

    @property
    def local(self) -> str:
        """The name without the target, for measurements of one artifact."""
        if self.objective == SCORE and self.value:
            return self.value
        return self.objective + (f".{self.value}" if self.value else "")

    def at(self, target: str | None) -> Quantity:
        """Returns the same quantity for another target."""
        return replace(self, target=target)

    @property
    def name(self) -> str:
        """The name as a study file writes it."""
        return self.local + (f"{AT}{self.target}" if self.target else "")

    def entry(self) -> Any:
        """Returns the objective's class.

        Raises:
            ValueError: There is no such name (UnknownName), or it is not an objective.
        """
        from paretune.search.study.tables import OBJECTIVES  # imports pydantic: slow

        entry = OBJECTIVES.get(self.objective)
        if not all(hasattr(entry, name) for name in REQUIRED):
            raise ValueError(
                f'"{self.objective}" is not an objective: it has no Params, unit or better'
            )
        return entry

    def spec(self) -> ValueSpec:
        """Returns unit and direction; those of a score with a known name.

        Raises:
            ValueError: There is no such objective or well-known score, or it has no such value.
        """
        from paretune.spaces.table import did_you_mean, first_line

        if self.objective == SCORE:
            return self._score_spec()
        entry = self.entry()
        if self.value is None:
            better: Better = entry.better
            return ValueSpec(entry.unit, better, first_line(entry) if entry.__doc__ else "")
        values = further_values(entry)
        if self.value in values:
            return values[self.value]
        if not values:
            raise ValueError(
                f'{self.objective} has one value only, no "{self.value}": write {self.objective}'
            )
        hint = did_you_mean(self.value, list(values)) or "."
        names = ", ".join(f"{self.objective}.{value}" for value in values)
        raise ValueError(f'{self.objective} has no value "{self.value}"{hint} It has {names}.')

    def _score_spec(self) -> ValueSpec:
        assert self.value is not None, "a score has a name"
        metric = metric_of(self.value)
        if metric is None:
            from paretune.search.study.tables import OBJECTIVES

            OBJECTIVES.get(self.value.partition(".")[0])  # refuses the name, with similar ones
            raise AssertionError("no objective has the name of a score")
        return ValueSpec(metric.unit, metric.better, metric.about)


def _is_objective(name: str) -> bool:
    """Returns whether an objective has this name, built in or of an installed package."""
    if name in BUILT_IN:
        return True
    from paretune.spaces.plugins import plugins_of

    return name in plugins_of("objective")


def further_values(entry: Any) -> Mapping[str, ValueSpec]:
    """Returns the further values of an objective; most have none."""
    values: Mapping[str, ValueSpec] = getattr(entry, "values", {})
    return values


def unavailable_reason(entry: Any, runtime: Any = None, options: Any = None) -> str | None:
    """Returns why an objective cannot be measured on this machine; None if it can."""
    unavailable = getattr(entry, "unavailable", None)
    reason: str | None = unavailable(runtime, options) if unavailable else None
    return reason


def units() -> dict[str, str]:
    """Returns name -> unit of every quantity of the built-in objectives."""
    from paretune.search.study.tables import OBJECTIVES

    units = {}
    for name in OBJECTIVES.names:
        entry = OBJECTIVES.get(name)
        units[name] = entry.unit
        units |= {f"{name}.{value}": spec.unit for value, spec in further_values(entry).items()}
    return units


def depends_on_artifact(objective: Any) -> bool:
    """Returns whether an objective differs between targets: the model alone does not decide it."""
    return bool(getattr(objective, "depends_on_artifact", objective.cost > 0))


def full_name(name: str, names: Container[str], targets: Sequence[str]) -> str:
    """Returns the name with the first target if only that is in `names`, else the name unchanged.

    Args:
        name: The name that the user wrote.
        names: Names of all quantities that are measured.
        targets: Names of the study's targets, in order; empty in a study of one runtime.
    """
    first = f"{name}{AT}{targets[0]}" if targets else name
    return first if name not in names and first in names else name


def local_values(values: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    """Returns the values for one target, and those that depend on none, by names without target.

    Args:
        values: Name of a quantity -> anything.
        target: The target; None in a study of one runtime.
    """
    quantities = {name: Quantity.of(name) for name in values}
    return {q.local: values[name] for name, q in quantities.items() if q.target in (None, target)}
