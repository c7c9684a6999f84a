"""The sections `objectives`, `constraints` and `goals`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from paretune.search.study.constraints import quantity_name, read_constraint
from paretune.search.study.quantity import SCORE, SUSTAINED, Quantity, unavailable_reason, units
from paretune.search.study.spec import Constraint, Direction, ObjectiveSpec, Selection
from paretune.search.study.tables import RUNTIMES
from paretune.search.study.target_device import TargetDevice
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.target_quantities import TargetQuantities
from paretune.search.study_file.task_metrics import NAME, TaskMetrics, direction_of, shown_unit
from paretune.search.tasks import CLASSIFICATION
from paretune.task import Metric


class QuantityReader(SectionReader):
    """Reads `objectives`, `constraints` and `goals`.

    Args:
        document: The study file.
        problems: Collects the mistakes.
        targets: Names of the study's targets, in order; empty in a study of one runtime.

    Attributes:
        task: The scores that the study may name; those of classification if nothing is set.
        metrics: The scores that the study names: name without target -> unit and direction.
    """

    def __init__(self, document: Document, problems: Problems, targets: Sequence[str] = ()) -> None:
        super().__init__(document, problems)
        self._targets = TargetQuantities(targets)
        self.task = TaskMetrics.of(Selection(CLASSIFICATION, {}))
        self.metrics: dict[str, Metric] = {}
        self._declared: dict[str, str] = {}

    def declared(self) -> None:
        """Reads `quantities`: the units of scores of the user's own task, {name: unit}."""
        for name, unit in (self.mapping("quantities") or {}).items():
            key = ("quantities", str(name))
            if not NAME.match(str(name)):
                self.problems.add(key, "give a name of letters, digits, _ . / and -")
            elif unit is not None and not isinstance(unit, str):
                self.problems.add(key, f"give a unit such as mm, not {unit!r}")
            else:
                self._declared[str(name)] = unit or ""

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """Reads the section `objectives`, in the order of the file."""
        section = self.mapping("objectives")
        if not section:
            others = [name for name in self.task.known if name != self.task.main]
            names = ", ".join([*([self.task.main] if self.task.known else []), *others])
            names += ", " * bool(names) + ", ".join(self.task.objective_names())
            better = self.task.known[self.task.main].better if self.task.known else "higher"
            direction = "minimize" if better == "lower" else "maximize"
            self.problems.add(
                ("objectives",),
                f"is missing; give at least one, `{self.task.main}: {direction}`: {names}",
            )
            return ()
        objectives: dict[str, ObjectiveSpec] = {}
        with_options: set[str] = set()
        for name, value in section.items():
            objective = self._objective(name, value)
            if objective is None:
                continue
            if objective.name in objectives:
                self.problems.add(
                    ("objectives", name), f"is {objective.name}, which is given already"
                )
            objectives[objective.name] = objective
            if isinstance(value, Mapping) and set(value) - {"minimize", "maximize"}:
                with_options.add(objective.name)
        return self._with_equal_options(list(objectives.values()), with_options)

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        quantity = Quantity.of(str(name))
        if not self.task.accepts(quantity):
            self.problems.add(key, self.task.refusal(quantity))
            return None
        if self.task.is_score(quantity):
            return self._score(key, Quantity(SCORE, quantity.local, quantity.target), value)
        try:
            entry, spec = quantity.entry(), quantity.spec()
            full_name = self._targets.name(quantity, entry)
        except ValueError as error:
            self.problems.add(key, str(error))
            return None
        right: Direction = "minimize" if spec.better == "lower" else "maximize"
        options: dict[str, Any] = {}
        if isinstance(value, Mapping):
            options = dict(value)
            directions = [d for d in ("minimize", "maximize") if d in options]
            if len(directions) != 1:
                self.problems.add(key, f"give a direction: {{{right}: ...}}")
                return None
            direction = directions[0]
            if "statistic" in options:
                self.problems.add(key, f"write {direction}: {options['statistic']}, no statistic")
                return None
            statistic = options.pop(direction)
            if statistic is not None:
                options["statistic"] = statistic
        else:
            direction = value
        if direction not in ("minimize", "maximize"):
            self.problems.add(key, f"give {right}, not {direction!r}")
            return None
        if direction != right:
            self.problems.add(key, f"{name} is better when {spec.better}: write {right}")
            return None
        single = quantity.value is not None or "statistic" not in entry.Params.model_fields
        if "statistic" in options and single:
            self.problems.add(key, f"has one statistic only: write {name}: {right}")
            return None
        values = self.checked(entry.Params, options, key)
        return ObjectiveSpec(full_name, right, spec.unit, values) if values is not None else None

    def _score(self, key: Key, quantity: Quantity, value: Any) -> ObjectiveSpec | None:
        """Reads a score of the task: `maximize`, or {maximize: unit}."""
        name = quantity.local
        options = dict(value) if isinstance(value, Mapping) else {value: None}
        direction, metric = direction_of(options), self.task.metric(name)
        right = "minimize" if metric and metric.better == "lower" else "maximize"
        if not NAME.match(name):
            self.problems.add(key, "give a name of letters, digits, _ . / and -")
            return None
        if direction is None:
            self.problems.add(key, f"give a direction, {right} or {{{right}: UNIT}}, not {value!r}")
            return None
        for extra in [option for option in options if option != direction]:
            self.problems.unknown_key((*key, str(extra)), [direction])
        unit = options[direction]
        if unit is not None and not isinstance(unit, str):
            self.problems.add((*key, direction), f"give a unit such as mm, not {unit!r}")
            return None
        if not self.task.is_open:
            assert metric is not None, "a built-in task accepts its own scores only"
            if direction != right:
                self.problems.add(key, f"{name} is better when {metric.better}: write {right}")
                return None
            if unit and metric.unit and unit != metric.unit:
                self.problems.add((*key, direction), f"is measured in {metric.unit}: write {right}")
                return None
        try:
            full_name = self._targets.name(quantity, quantity.entry())
        except ValueError as error:
            self.problems.add(key, str(error))
            return None
        chosen = Metric(
            unit or self._declared.get(name) or (metric.unit if metric else ""),
            "lower" if direction == "minimize" else "higher",
            metric.about if metric else "",
        )
        if self.metrics.setdefault(name, chosen) != chosen:
            self.problems.add(key, f"give {name} the same unit and direction on every target")
        return ObjectiveSpec(
            full_name,
            "minimize" if direction == "minimize" else "maximize",
            shown_unit(chosen.unit),
            {},
        )

    def _with_equal_options(
        self, objectives: Sequence[ObjectiveSpec], with_options: Collection[str]
    ) -> tuple[ObjectiveSpec, ...]:
        """Returns the objectives with equal options for values that one measurement gives.

        Options at one of the values hold for all of them. Different ones are noted.

        Args:
            objectives: The objectives.
            with_options: Names of those that have options in the study file.
        """
        leading: dict[tuple[str, str | None], ObjectiveSpec] = {}
        for objective in sorted(objectives, key=lambda o: o.name not in with_options):
            other = leading.setdefault(_measured_with(objective), objective)
            if objective.name in with_options and _shared(objective) != _shared(other):
                self.problems.add(
                    ("objectives", objective.name),
                    f"is measured together with {other.name}: give both the same options",
                )
        return tuple(
            replace(o, options={**o.options, **_shared(leading[_measured_with(o)])})
            for o in objectives
        )

    def constraints(self, section: str) -> tuple[Constraint, ...]:
        """Reads the section `constraints` or `goals` of a study of the built-in stages."""
        local_units = {
            **self.task.units(units()),
            **{name: shown_unit(unit) for name, unit in self._declared.items()},
            **{name: shown_unit(metric.unit) for name, metric in self.metrics.items()},
        }
        texts = self.data.get(section)
        for text in texts if isinstance(texts, list) else ():
            name = quantity_name(text) if isinstance(text, str) else None
            quantity = Quantity.of(name or "")
            if name is None or quantity.local in local_units:
                continue
            metric = self.task.metric(quantity.local) if self.task.is_score(quantity) else None
            if metric is not None:
                local_units[quantity.local] = metric.unit
            elif self.task.accepts(quantity) and quantity.objective != SCORE:
                with suppress(ValueError):  # `bounds` notes the mistake
                    local_units[quantity.local] = quantity.spec().unit
        bounds = self.bounds(section, self._targets.units(local_units))
        for bound in bounds:
            self._note_score(bound)
        return bounds

    def _note_score(self, bound: Constraint) -> None:
        """Adds a score that only a constraint or goal names to those that are measured."""
        quantity = Quantity.of(bound.quantity)
        name = quantity.local
        if not self.task.is_score(quantity) or name in self.metrics:
            return
        metric = self.task.metric(name) or Metric("", "lower" if bound.upper else "higher")
        self.metrics[name] = replace(metric, unit=self._declared.get(name, metric.unit))

    def check_available(
        self,
        deployments: Mapping[str | None, Selection],
        devices: Mapping[str | None, TargetDevice],
    ) -> None:
        """Notes quantities that cannot be measured on this machine, with the reason.

        What is measured on a device, the device itself refuses when it is asked.

        Args:
            deployments: Target -> its runtime; a quantity without a target belongs to the first.
            devices: Target -> its device.
        """
        for key, name in self._named_quantities():
            quantity = Quantity.of(name)
            target = quantity.target if quantity.target in deployments else None
            if target is None:
                target = next(iter(deployments), None)
            selection, device = deployments.get(target), devices.get(target)
            if quantity.local == SUSTAINED and (device is None or device.sustained is None):
                text = f"{name} needs a target with a device and `sustained: 60s` beside it"
                self.problems.add(key, text)
            if selection is None or device is not None:
                continue
            runtime = RUNTIMES.get(selection.name)
            with suppress(ValueError):  # a mistake that is noted already
                options = runtime.Params.model_validate(dict(selection.params))
                reason = unavailable_reason(quantity.entry(), runtime, options)
                if reason:
                    self.problems.add(key, f"{name} cannot be measured here: {reason}")

    def _named_quantities(self) -> list[tuple[Key, str]]:
        """Returns (key, name) of each quantity that the study file names."""
        named: list[tuple[Key, str]]
        named = [(("objectives", name), name) for name in self.mapping("objectives") or {}]
        for section in ("constraints", "goals"):
            texts = self.data.get(section)
            for index, text in enumerate(texts if isinstance(texts, list) else ()):
                name = quantity_name(text) if isinstance(text, str) else None
                if name is not None:
                    named.append(((section, str(index)), name))
        return named

    def bounds(
        self, section: str, units: Mapping[str, str], relative: bool = True
    ) -> tuple[Constraint, ...]:
        """Reads the section `constraints` or `goals`.

        Args:
            section: Which of the two.
            units: Name -> unit of all quantities that can be bounded.
            relative: Whether the study has a baseline to refer to.
        """
        texts = self.data.get(section)
        if texts is None:
            return ()
        if not isinstance(texts, list):
            self.problems.add((section,), 'give a list: ["latency <= 2 ms"]')
            return ()
        constraints = []
        for index, text in enumerate(texts):
            key = (section, str(index))
            if not isinstance(text, str):
                self.problems.add(key, f'give text: "latency <= 2 ms", not {text!r}')
                continue
            try:
                constraint = read_constraint(text, units, self._targets.targets)
                if constraint.bound.relative and not relative:
                    self.problems.add(
                        key, "refers to the baseline, and there is none; give baseline: or a number"
                    )
                constraints.append(constraint)
            except KeyError as error:
                name = str(error.args[0])
                self.problems.add(key, self._unknown(name, list(units)))
            except ValueError as error:
                self.problems.add(key, str(error))
        return tuple(constraints)

    def _unknown(self, name: str, names: Sequence[str]) -> str:
        """Returns the error text for a name that is not among `names`, the full names."""
        quantity = Quantity.of(name)
        if quantity.local in {Quantity.of(full).local for full in names} or ":" in name:
            return self._targets.unknown(name, names)
        needed = None if self.task.accepts(quantity) else self.task.needed_task(quantity)
        unknown = needed or self._targets.unknown(name, names)
        if not self.task.is_open or not self.task.is_score(quantity):
            return unknown
        local = quantity.local
        return f"{unknown} If your score gives {local}, name its unit: quantities: {{{local}: mm}}"


def _measured_with(objective: ObjectiveSpec) -> tuple[str, str | None]:
    """Returns what is the same for values that one measurement gives: objective and target."""
    quantity = Quantity.of(objective.name)
    return quantity.objective, quantity.target


def _shared(objective: ObjectiveSpec) -> dict[str, Any]:
    """Returns the options that concern all values of a measurement."""
    return {name: value for name, value in objective.options.items() if name != "statistic"}
