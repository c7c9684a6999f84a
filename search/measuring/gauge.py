"""Measures an artifact: the study's objectives, what its constraints name, parameters and MACs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement, Subject
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.quantity import Quantity, further, of_artifact
from paretune.search.study.spec import Constraint, ObjectiveSpec, StudySpec
from paretune.search.study.tables import OBJECTIVES
from paretune.spaces.table import nearest

if TYPE_CHECKING:
    import torch

    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.labelled import Labelled

ALWAYS = ("parameters", "macs")
"""Recorded for every candidate, whether or not the study optimizes them."""

TIMING = 2
"""The `cost` of what a clock measures: while it does, nothing else of ours runs on this host."""

NEEDS_WEIGHTS = 3
"""The `cost` of a quantity that depends on trained weights, and so on data."""


class WrongMeasurement(Exception):
    """An objective of the user's own gave something else than it must; the text says what."""


@dataclass(frozen=True)
class Gauge:
    """What to measure, and how.

    Attributes:
        quantities: Objective -> options as JSON; cheap ones first. Each is measured once, whichever
            of its values the study names.
        named: Names of the quantities that the study itself asks for.
    """

    quantities: tuple[tuple[str, Mapping[str, Any]], ...]
    named: frozenset[str] = frozenset()

    @staticmethod
    def of(spec: StudySpec, target: str | None = None, model: bool = True) -> Gauge:
        """The study's objectives, the other quantities its constraints and goals name, ALWAYS.

        Args:
            spec: The study.
            target: Whose quantities; None in a study of one runtime.
            model: With those that have no target, as the model alone decides them.
        """
        given = {Quantity.of(o.name): o.options for o in spec.objectives}
        bounded = (Quantity.of(c.quantity) for c in (*spec.constraints, *spec.goals))
        every = dict.fromkeys((*given, *bounded, *map(Quantity.of, ALWAYS)))
        ours = [q for q in every if q.target == target or (q.target is None and model)]
        wanted = {q.objective: _options(q.objective, target, given) for q in ours}
        cheap_first = sorted(wanted.items(), key=lambda item: OBJECTIVES.get(item[0]).cost)
        return Gauge(tuple(cheap_first), frozenset(q.local for q in ours))

    def refuse(self, classes: int) -> None:
        """Refuses what has no meaning for data of so few classes, before any work.

        Raises:
            UserError: Such a quantity is asked for.
        """
        chosen = {
            f"{name}.{options['statistic']}"
            for name, options in self.quantities
            if options.get("statistic") in further(OBJECTIVES.get(name))
        }
        for name in sorted(self.named | chosen):
            least = Quantity.of(name).spec().least_classes
            if classes < least:
                raise UserError(
                    f"{name} needs at least {least} classes, and the data has {classes}; leave it "
                    "out of objectives, constraints and goals"
                )

    def measure(
        self,
        artifact: Artifact,
        runtime: Any,
        options: Any,
        model: torch.nn.Module,
        data: Labelled,
        baseline: Artifact | None,
        reference: Mapping[str, Measurement],
        made: Mapping[str, float] | None = None,
    ) -> list[Measurement]:
        """Everything, on the validation part; `made` as in Subject.

        Raises:
            Unmeasurable: A quantity cannot be measured.
            WrongMeasurement: An objective gave something else than it must.
        """
        subject = Subject(artifact, runtime, options, model, data, baseline, reference, made or {})
        names = [name for name, _ in self.quantities]
        return self._measured(subject, names, "validation")

    @property
    def timed(self) -> bool:
        """Whether any of it is measured by a clock."""
        return any(OBJECTIVES.get(name).cost == TIMING for name, _ in self.quantities)

    def of_artifacts(self) -> Gauge:
        """Without what the model alone decides: that is the same in every place."""
        kept = [(n, o) for n, o in self.quantities if of_artifact(OBJECTIVES.get(n))]
        return replace(self, quantities=tuple(kept))

    def without(self, known: Collection[str]) -> Gauge:
        """Without the objectives all of whose wanted values are known."""

        def lacking(name: str) -> bool:
            wanted = {n for n in self.named if Quantity.of(n).objective == name} | {name}
            return not wanted <= set(known)

        return replace(self, quantities=tuple((n, o) for n, o in self.quantities if lacking(n)))

    def parted(self, names: Collection[str]) -> tuple[Gauge, Gauge]:
        """Of these quantities, what training does not change, and what it does."""
        asked = {Quantity.of(name).objective for name in names}
        ours = [(n, o, OBJECTIVES.get(n).cost) for n, o in self.quantities if n in asked]
        exact = tuple((name, options) for name, options, cost in ours if cost < NEEDS_WEIGHTS)
        learnt = tuple((name, options) for name, options, cost in ours if cost >= NEEDS_WEIGHTS)
        return replace(self, quantities=exact), replace(self, quantities=learnt)

    def together(self, subjects: Sequence[Subject], part: str) -> list[list[Measurement]]:
        """Everything for each of several artifacts; what can be timed in the same visits is.

        Raises:
            Unmeasurable: A quantity cannot be measured.
            WrongMeasurement: An objective gave something else than it must.
        """
        found: list[list[Measurement]] = [[] for _ in subjects]
        for name, options in self.quantities:
            entry = OBJECTIVES.get(name)
            if entry.cost != TIMING or not hasattr(entry, "together"):
                several = [_answer(subject, name, options, part) for subject in subjects]
            else:
                params = entry.Params.model_validate(dict(options))
                with host_lock.measuring():
                    several = entry.together(subjects, params)
            for known, given in zip(found, several, strict=True):
                known += self.named_values(name, given)
        return found

    def test(
        self, artifact: Artifact, runtime: Any, options: Any, model: Any, data: Labelled
    ) -> list[Measurement]:
        """What depends on data, on the test part; empty when there is none."""
        if data.size("test") == 0:
            return []
        subject = Subject(artifact, runtime, options, model, data)
        names = [name for name, _ in self.quantities if _by_data(OBJECTIVES.get(name))]
        return self._measured(subject, names, "test")

    def _measured(self, subject: Subject, names: Sequence[str], part: str) -> list[Measurement]:
        """Each objective once."""
        found: list[Measurement] = []
        for name, options in self.quantities:
            if name in names:
                found += self.named_values(name, _answer(subject, name, options, part))
        return found

    def named_values(self, name: str, given: Any) -> list[Measurement]:
        """What an objective gave, without further values that are no number and not asked for.

        Raises:
            WrongMeasurement: It gave something else than it must.
        """
        wanted = {q for q in self.named if Quantity.of(q).objective == name}
        known = answered(name, given, wanted)
        return [m for m in known if math.isfinite(m.value) or m.name in (name, *wanted)]


def _options(
    objective: str, target: str | None, given: Mapping[Quantity, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """How an objective is measured: as the study says for this target, else for another one.

    The options of an objective itself come before those of a further value of it.
    """
    found = [q for q in given if q.objective == objective]
    found.sort(key=lambda q: (q.target != target, q.value is not None))
    return given[found[0]] if found else {}


def _by_data(objective: Any) -> bool:
    """Whether it differs from one part of the data to another."""
    return objective.cost == NEEDS_WEIGHTS and of_artifact(objective)


def _answer(subject: Subject, name: str, options: Mapping[str, Any], part: str) -> Any:
    objective = OBJECTIVES.get(name)
    params = objective.Params.model_validate(dict(options))
    if objective.cost != TIMING or not getattr(objective, "alone", True):
        with host_lock.working():
            return objective.measure(subject, params, part)
    with host_lock.measuring() as alone:
        return noted(objective.measure(subject, params, part), alone)


def noted(given: Any, alone: bool) -> Any:
    """Measurements that say whether all other work of ours on this host stood still meanwhile."""
    if isinstance(given, Measurement):
        return replace(given, conditions={**given.conditions, "alone": alone})
    return [noted(m, alone) for m in given] if isinstance(given, list | tuple) else given


def answered(name: str, given: Any, wanted: frozenset[str] | set[str]) -> list[Measurement]:
    """What an objective's `measure` gave, under the names that the study has for it.

    Args:
        name: Of the objective, as the study file has it; its class may call itself otherwise.
        given: One Measurement, or several.
        wanted: Quantities of it that have to be there, besides its own value.

    Raises:
        WrongMeasurement: It is something else, names what it has not declared, gives a value twice
            or in another unit, or lacks what is wanted.
    """
    entry = OBJECTIVES.get(name)
    several = [given] if isinstance(given, Measurement) else given
    if not isinstance(several, list | tuple) or not all(
        isinstance(m, Measurement) for m in several
    ):
        raise WrongMeasurement(
            f"{name} gave a {type(given).__name__}; measure must return a Measurement, or a list of"
        )
    found: dict[str, Measurement] = {}
    for one in several:
        quantity = _named(name, entry, one.name)
        spec = quantity.spec()
        if (one.unit, one.better) != (spec.unit, spec.better):
            raise WrongMeasurement(
                f"{quantity.name} was given in {one.unit}, {one.better} is better; it is declared "
                f"in {spec.unit}, {spec.better} is better"
            )
        if quantity.name in found:
            raise WrongMeasurement(f"{name} gave {quantity.name} twice")
        found[quantity.name] = replace(one, name=quantity.name)
    missing = sorted({name, *wanted} - set(found))
    if missing:
        raise WrongMeasurement(f"{name} gave no {', '.join(missing)}; it gave {', '.join(found)}")
    return list(found.values())


def _named(name: str, entry: Any, given: str) -> Quantity:
    """The quantity that an objective means by a name."""
    own = getattr(entry, "name", name)
    if given in (own, name):
        return Quantity(name)
    values = further(entry)
    value = given.removeprefix(f"{own}.").removeprefix(f"{name}.")
    if value in values:
        return Quantity(name, value)
    known = [own, *(f"{own}.{value}" for value in values)]
    hint = nearest(given, known) or "."
    raise WrongMeasurement(f'{name} gave "{given}"{hint} It declares {", ".join(known)}.')


def values_of(
    measured: Sequence[Measurement], objectives: Sequence[ObjectiveSpec]
) -> dict[str, float]:
    """Objective name -> value, in the study's order."""
    found = {m.name: m.value for m in measured}
    return {objective.name: found[objective.name] for objective in objectives}


def values_by_name(measured: Mapping[str, Measurement]) -> dict[str, float]:
    """Quantity -> its value."""
    return {name: m.value for name, m in measured.items()}


def violations_of(
    constraints: Iterable[Constraint], measured: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float]:
    """Constraint text -> violation; positive is broken. All that is bounded must be known."""
    return {c.text: c.violation(measured[c.quantity], baseline[c.quantity]) for c in constraints}
