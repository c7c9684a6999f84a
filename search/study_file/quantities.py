"""The sections `objectives`, `constraints` and `goals`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from paretune.search.study.constraints import quantity_name, read_constraint
from paretune.search.study.quantity import Quantity, unavailable_reason, units
from paretune.search.study.spec import Constraint, Direction, ObjectiveSpec, Selection
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.target_quantities import TargetQuantities


class QuantityReader(SectionReader):
    """Reads `objectives`, `constraints` and `goals`.

    Args:
        document: The study file.
        problems: Collects the mistakes.
        targets: Names of the study's targets, in order; empty in a study of one runtime.
    """

    def __init__(self, document: Document, problems: Problems, targets: Sequence[str] = ()) -> None:
        super().__init__(document, problems)
        self._targets = TargetQuantities(targets)

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """Reads the section `objectives`, in the order of the file."""
        section = self.mapping("objectives")
        if not section:
            names = ", ".join(OBJECTIVES.names)
            self.problems.add(
                ("objectives",), f"is missing; give at least one, `accuracy: maximize`: {names}"
            )
            return ()
        objectives: dict[str, ObjectiveSpec] = {}
        for name, value in section.items():
            objective = self._objective(name, value)
            if objective is None:
                continue
            if objective.name in objectives:
                self.problems.add(
                    ("objectives", name), f"is {objective.name}, which is given already"
                )
            objectives[objective.name] = objective
        self._check_equal_options(list(objectives.values()))
        return tuple(objectives.values())

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        quantity = Quantity.of(name)
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

    def _check_equal_options(self, objectives: Sequence[ObjectiveSpec]) -> None:
        """Notes values of one objective that have different options: one measurement gives all."""
        first: dict[tuple[str, str | None], ObjectiveSpec] = {}
        for objective in objectives:
            quantity = Quantity.of(objective.name)
            other = first.setdefault((quantity.objective, quantity.target), objective)
            options, other_options = (
                {key: value for key, value in o.options.items() if key != "statistic"}
                for o in (objective, other)
            )
            if options != other_options:
                self.problems.add(
                    ("objectives", objective.name),
                    f"is measured together with {other.name}: give both the same options",
                )

    def constraints(self, section: str) -> tuple[Constraint, ...]:
        """Reads the section `constraints` or `goals` of a study of the built-in stages."""
        local_units = units()
        texts = self.data.get(section)
        for text in texts if isinstance(texts, list) else ():
            name = quantity_name(text) if isinstance(text, str) else None
            quantity = Quantity.of(name or "")
            if name is None or quantity.local in local_units:
                continue
            with suppress(ValueError):  # `bounds` notes the mistake
                local_units[quantity.local] = quantity.spec().unit
        return self.bounds(section, self._targets.units(local_units))

    def check_available(self, deployments: Mapping[str | None, Selection]) -> None:
        """Notes quantities that cannot be measured on this machine, with the reason.

        Args:
            deployments: Target -> its runtime; a quantity without a target belongs to the first.
        """
        for key, name in self._named_quantities():
            quantity = Quantity.of(name)
            selection = deployments.get(quantity.target) or next(iter(deployments.values()), None)
            if selection is None:
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
                self.problems.add(key, self._targets.unknown(name, list(units)))
            except ValueError as error:
                self.problems.add(key, str(error))
        return tuple(constraints)
