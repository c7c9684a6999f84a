"""Measures an artifact: the study's objectives, constrained quantities, parameters and MACs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.calm import calm
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.quantity import (
    SCORE,
    SUSTAINED,
    Quantity,
    depends_on_artifact,
    further_values,
)
from paretune.search.study.spec import Constraint, ObjectiveSpec, StudySpec
from paretune.search.study.tables import OBJECTIVES
from paretune.search.tasks import CLASSIFICATION
from paretune.spaces.table import did_you_mean
from paretune.task import Metric, Task

ALWAYS = ("parameters", "macs")
"""Quantities recorded for every candidate, even if the study does not name them."""

TIMING = 2
"""The `cost` of a timed objective. No other Paretune process of the host works meanwhile."""

NEEDS_WEIGHTS = 3
"""The `cost` of an objective that depends on trained weights, and so on data."""


class WrongMeasurement(Exception):
    """An objective returned something invalid; the text says what."""


@dataclass(frozen=True)
class Gauge:
    """What to measure, and with which options.

    Attributes:
        quantities: Objective -> options as JSON, cheap ones first. Each is measured once, even if
            the study names several of its values. `SCORE` measures all scores of the task.
        named: Names of the quantities that the study asks for.
        metrics: The scores of the task among them, with unit and direction.
    """

    quantities: tuple[tuple[str, Mapping[str, Any]], ...]
    named: frozenset[str] = frozenset()
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @staticmethod
    def of(spec: StudySpec, target: str | None = None, model: bool = True) -> Gauge:
        """Returns the gauge for one target of a study.

        It holds the objectives, the quantities in constraints and goals, and `ALWAYS`.

        Args:
            spec: The study.
            target: Target name; None for a study with one runtime.
            model: Include quantities without a target, which depend on the model alone.
        """
        metrics = spec.metrics
        options = {quantity_of(o.name, metrics): o.options for o in spec.objectives}
        bounded = (quantity_of(c.quantity, metrics) for c in (*spec.constraints, *spec.goals))
        quantities = dict.fromkeys((*options, *bounded, *map(Quantity.of, ALWAYS)))
        chosen = [q for q in quantities if q.target == target or (q.target is None and model)]
        named = frozenset(q.local for q in chosen)
        scores = {name: metric for name, metric in metrics.items() if name in named}
        wanted = {q.objective: _options(q.objective, target, options) for q in chosen}
        if scores:
            units = {n: {"unit": m.unit, "better": m.better} for n, m in scores.items()}
            wanted[SCORE] = {"metrics": units}
        cheap_first = sorted(wanted.items(), key=lambda item: OBJECTIVES.get(item[0]).cost)
        return Gauge(tuple(cheap_first), named, scores)

    def refuse(self, task: Task) -> None:
        """Refuses quantities that are undefined for the task's number of classes, before any work.

        Raises:
            UserError: The study asks for such a quantity.
        """
        if task.name != CLASSIFICATION:
            return
        classes = task.outputs.size
        statistics = {
            f"{name}.{options['statistic']}"
            for name, options in self.quantities
            if options.get("statistic") in further_values(OBJECTIVES.get(name))
        }
        for name in sorted(self.named | statistics):
            least = Quantity.of(name).spec().least_classes
            if classes < least:
                raise UserError(
                    f"{name} needs at least {least} classes, but the data has {classes}; leave it "
                    "out of objectives, constraints and goals"
                )

    @property
    def timed(self) -> bool:
        """Whether any quantity is timed."""
        return any(OBJECTIVES.get(name).cost == TIMING for name, _ in self.quantities)

    @property
    def timing_seconds(self) -> float:
        """Seconds that the timed quantities take at most, as far as their options say."""
        timed = [pair for pair in self.quantities if OBJECTIVES.get(pair[0]).cost == TIMING]
        params = [OBJECTIVES.get(n).Params.model_validate(dict(o)) for n, o in timed]
        return math.fsum(getattr(each, "seconds", 0.0) for each in params)

    def artifact_dependent(self) -> Gauge:
        """Returns the gauge without quantities of the model, which are equal on all targets."""
        kept = [(n, o) for n, o in self.quantities if depends_on_artifact(OBJECTIVES.get(n))]
        return replace(self, quantities=tuple(kept))

    def of_weights(self) -> Gauge:
        """Returns the gauge for what depends on trained weights, and is measured on the file."""
        kept = [(n, o) for n, o in self.quantities if _by_data(OBJECTIVES.get(n))]
        return replace(self, quantities=tuple(kept))

    def only(self, name: str, options: Mapping[str, Any]) -> Gauge:
        """Returns the gauge for one objective, measured with these options."""
        return replace(self, quantities=((name, options),))

    def without_load(self) -> Gauge:
        """Returns the gauge without the sustained latency, which takes minutes of load."""
        return replace(self, named=self.named - {SUSTAINED})

    def without(self, measured: Collection[str]) -> Gauge:
        """Returns the gauge without the objectives that are completely measured."""

        def lacking(name: str) -> bool:
            return not self._wanted(name) <= set(measured)

        return replace(self, quantities=tuple((n, o) for n, o in self.quantities if lacking(n)))

    def split_by_training(self, names: Collection[str]) -> tuple[Gauge, Gauge]:
        """Splits these quantities into those that training leaves unchanged, and the others."""
        wanted = {quantity_of(name, self.metrics).objective for name in names}
        entries = [(n, o, OBJECTIVES.get(n).cost) for n, o in self.quantities if n in wanted]
        fixed = tuple((name, options) for name, options, cost in entries if cost < NEEDS_WEIGHTS)
        trained = tuple((name, options) for name, options, cost in entries if cost >= NEEDS_WEIGHTS)
        return replace(self, quantities=fixed), replace(self, quantities=trained)

    def measure(self, subject: Subject) -> list[Measurement]:
        """Measures every quantity on the validation part.

        Raises:
            Unmeasurable: A quantity cannot be measured.
            WrongMeasurement: An objective returned something invalid.
        """
        return self._measure_all(subject, [name for name, _ in self.quantities], "validation")

    def test(self, subject: Subject) -> list[Measurement]:
        """Measures what depends on data on the test part; empty if there is no test part."""
        if subject.data.size("test") == 0:
            return []
        names = [name for name, _ in self.quantities if _by_data(OBJECTIVES.get(name))]
        return self._measure_all(subject, names, "test")

    def tested_names(self) -> set[str]:
        """Returns the quantities that depend on data, and so are measured on the test part."""
        names = [name for name, _ in self.quantities if _by_data(OBJECTIVES.get(name))]
        return {quantity for name in names for quantity in self._wanted(name)}

    def _measure_all(self, subject: Subject, names: Sequence[str], part: str) -> list[Measurement]:
        """Measures each of these objectives once."""
        return [
            measurement
            for name, options in self.quantities
            if name in names
            for measurement in self.named_values(name, measure_one(subject, name, options, part))
        ]

    def named_values(self, name: str, answer: Any) -> list[Measurement]:
        """Returns an objective's measurements, checked and under the names of the study.

        Further values that are not finite are left out, unless the study asks for them. Those that
        the study does not ask for lose their results on each example, which nothing compares.

        Args:
            name: Objective.
            answer: What its `measure` returned.

        Raises:
            WrongMeasurement: The answer is invalid.
        """
        asked = self._wanted(name)
        measurements = checked_measurements(name, answer, asked)
        return [
            m if m.name in asked else replace(m, per_example=None)
            for m in measurements
            if math.isfinite(m.value) or m.name in asked
        ]

    def _wanted(self, name: str) -> set[str]:
        """Returns the names of what an objective must measure: its value, and further ones.

        `SCORE` has no value of its own.
        """
        named = {n for n in self.named if quantity_of(n, self.metrics).objective == name}
        return named if name == SCORE else named | {name}


def quantity_of(name: str, metrics: Mapping[str, Metric]) -> Quantity:
    """Returns the quantity that a name means in a study.

    It is a score of the task if the study has one of this name: the user's own task may have an
    `accuracy`, which the objective of this name does not measure.

    Args:
        name: The name.
        metrics: The scores that the study names.
    """
    quantity = Quantity.of(name)
    if quantity.local in metrics:
        return Quantity(SCORE, quantity.local, quantity.target)
    return quantity


def measure_one(subject: Subject, name: str, options: Mapping[str, Any], part: str) -> Any:
    """Returns what one objective measures on one artifact, under the host lock."""
    objective = OBJECTIVES.get(name)
    params = objective.Params.model_validate(dict(options))
    if objective.cost == TIMING and subject.device is not None:
        return objective.measure(subject, params, part)  # it holds the lease of the device instead
    if objective.cost != TIMING or not getattr(objective, "alone", True):
        with host_lock.working():
            return objective.measure(subject, params, part)
    with host_lock.measuring() as solitude:
        return mark_alone(objective.measure(subject, params, part), solitude.value)


def mark_alone(answer: Any, alone: bool | None) -> Any:
    """Adds the condition `alone`: whether all other Paretune work on the host was paused.

    None: that is unknown. `waited` is added if it is False: the user did not want to wait for calm.
    """
    if isinstance(answer, Measurement):
        waited = {} if calm.waits else {"waited": False}
        return replace(answer, conditions={**answer.conditions, "alone": alone, **waited})
    return [mark_alone(m, alone) for m in answer] if isinstance(answer, list | tuple) else answer


def checked_measurements(
    name: str, answer: Any, wanted: frozenset[str] | set[str]
) -> list[Measurement]:
    """Checks what an objective's `measure` returned, and renames it for the study.

    Args:
        name: Objective as the study file names it; its class may have another name.
        answer: One Measurement, or several.
        wanted: Quantities of the objective that must be there, beside its own value.

    Raises:
        WrongMeasurement: The answer is not a Measurement, has an undeclared name or another unit,
            repeats a value, or lacks a wanted quantity.
    """
    objective = OBJECTIVES.get(name)
    answers = [answer] if isinstance(answer, Measurement) else answer
    if not isinstance(answers, list | tuple) or not all(
        isinstance(m, Measurement) for m in answers
    ):
        raise WrongMeasurement(
            f"{name} returned a {type(answer).__name__}; measure must return a Measurement, or a "
            "list of them"
        )
    measurements: dict[str, Measurement] = {}
    for measurement in answers:
        quantity = _quantity_of(name, objective, measurement.name)
        spec = measurement if name == SCORE else quantity.spec()  # the study has its units
        if (measurement.unit, measurement.better) != (spec.unit, spec.better):
            raise WrongMeasurement(
                f"{quantity.name} came in {measurement.unit}, {measurement.better} is better; it "
                f"is declared in {spec.unit}, {spec.better} is better"
            )
        if quantity.name in measurements:
            raise WrongMeasurement(f"{name} returned {quantity.name} twice")
        measurements[quantity.name] = replace(measurement, name=quantity.name)
    direct = set() if name == SCORE else {name}
    missing = sorted({*direct, *wanted} - set(measurements))
    if missing:
        raise WrongMeasurement(
            f"{name} returned no {', '.join(missing)}; it returned {', '.join(measurements)}"
        )
    return list(measurements.values())


def values_of(
    measured: Sequence[Measurement], objectives: Sequence[ObjectiveSpec]
) -> dict[str, float]:
    """Returns objective name -> value, in the study's order."""
    values = {m.name: m.value for m in measured}
    return {objective.name: values[objective.name] for objective in objectives}


def values_by_name(measured: Mapping[str, Measurement]) -> dict[str, float]:
    """Returns quantity -> value."""
    return {name: m.value for name, m in measured.items()}


def violations_of(
    constraints: Iterable[Constraint], measured: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float]:
    """Returns constraint text -> violation; a positive one breaks the constraint.

    Args:
        constraints: Constraints; all their quantities must be measured.
        measured: Quantity -> value of the trial.
        baseline: Quantity -> value of the baseline.
    """
    return {c.text: c.violation(measured[c.quantity], baseline[c.quantity]) for c in constraints}


def _options(
    objective: str, target: str | None, options: Mapping[Quantity, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Returns an objective's options: those for this target, else those for another one.

    The options of an objective itself come before those of a further value of it.
    """
    quantities = [q for q in options if q.objective == objective]
    quantities.sort(key=lambda q: (q.target != target, q.value is not None))
    return options[quantities[0]] if quantities else {}


def _by_data(objective: Any) -> bool:
    """Returns whether an objective differs between parts of the data."""
    return objective.cost == NEEDS_WEIGHTS and depends_on_artifact(objective)


def _quantity_of(name: str, objective: Any, measured: str) -> Quantity:
    """Returns the quantity that an objective means by the name of a measurement."""
    if name == SCORE:
        return Quantity(SCORE, measured)
    class_name = getattr(objective, "name", name)
    if measured in (class_name, name):
        return Quantity(name)
    values = further_values(objective)
    value = measured.removeprefix(f"{class_name}.").removeprefix(f"{name}.")
    if value in values:
        return Quantity(name, value)
    declared = [class_name, *(f"{class_name}.{value}" for value in values)]
    hint = did_you_mean(measured, declared) or "."
    raise WrongMeasurement(f'{name} returned "{measured}"{hint} It declares {", ".join(declared)}.')
