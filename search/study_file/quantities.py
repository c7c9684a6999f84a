"""Objectives, constraints and goals: what is measured, and what it must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from paretune.search.study.constraints import bounded, read_constraint
from paretune.search.study.quantity import Quantity, absent, units
from paretune.search.study.spec import Constraint, Direction, ObjectiveSpec, Selection
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.target_quantities import Placed


class QuantityReader(SectionReader):
    """Reads `objectives`, `constraints` and `goals`.

    Args:
        document: The study file.
        problems: Where mistakes are noted.
        targets: Names of the study's targets, in order; none in a study of one runtime.
    """

    def __init__(self, document: Document, problems: Problems, targets: Sequence[str] = ()) -> None:
        super().__init__(document, problems)
        self._placed = Placed(targets)

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """The section `objectives`, in the order of the file."""
        section = self.mapping("objectives")
        if not section:
            names = ", ".join(OBJECTIVES.names)
            self.problems.add(
                ("objectives",), f"is missing; give at least one, `accuracy: maximize`: {names}"
            )
            return ()
        found: dict[str, ObjectiveSpec] = {}
        for name, value in section.items():
            objective = self._objective(name, value)
            if objective is None:
                continue
            if objective.name in found:
                self.problems.add(
                    ("objectives", name), f"is {objective.name}, which is given already"
                )
            found[objective.name] = objective
        read = tuple(found.values())
        self._one_measurement(read)
        return read

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        quantity = Quantity.of(name)
        try:
            entry, spec = quantity.entry(), quantity.spec()
            full = self._placed.name(quantity, entry)
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
        one = quantity.value is not None or "statistic" not in entry.Params.model_fields
        if "statistic" in options and one:
            self.problems.add(key, f"has one statistic only: write {name}: {right}")
            return None
        checked = self.plain(entry.Params, options, key)
        return ObjectiveSpec(full, right, spec.unit, checked) if checked is not None else None

    def _one_measurement(self, objectives: Sequence[ObjectiveSpec]) -> None:
        """Notes values of one objective whose options differ: one measurement gives them all."""
        first: dict[tuple[str, str | None], ObjectiveSpec] = {}
        for found in objectives:
            quantity = Quantity.of(found.name)
            other = first.setdefault((quantity.objective, quantity.target), found)
            options, others = (
                {key: value for key, value in o.options.items() if key != "statistic"}
                for o in (found, other)
            )
            if options != others:
                self.problems.add(
                    ("objectives", found.name),
                    f"is measured together with {other.name}: give both the same options",
                )

    def constraints(self, section: str) -> tuple[Constraint, ...]:
        """The section `constraints` or `goals`."""
        known = units()
        given = self.data.get(section)
        for text in given if isinstance(given, list) else ():
            name = bounded(text) if isinstance(text, str) else None
            quantity = Quantity.of(name or "")
            if name is None or quantity.local in known:
                continue
            with suppress(ValueError):  # noted where it stands
                known[quantity.local] = quantity.spec().unit
        return self.bounds(section, self._placed.units(known))

    def here(self, deployments: Mapping[str | None, Selection]) -> None:
        """Notes quantities that cannot be measured on this machine, with the reason.

        Args:
            places: Target -> its runtime; the first is that of a quantity without a target.
        """
        for key, name in self._named():
            quantity = Quantity.of(name)
            chosen = deployments.get(quantity.target) or next(iter(deployments.values()), None)
            if chosen is None:
                continue
            runtime = RUNTIMES.get(chosen.name)
            with suppress(ValueError):  # a mistake that is noted already
                options = runtime.Params.model_validate(dict(chosen.params))
                why = absent(quantity.entry(), runtime, options)
                if why:
                    self.problems.add(key, f"{name} cannot be measured here: {why}")

    def _named(self) -> list[tuple[Key, str]]:
        """Every place of the file that names a quantity, with the name."""
        found: list[tuple[Key, str]]
        found = [(("objectives", name), name) for name in self.mapping("objectives") or {}]
        for section in ("constraints", "goals"):
            given = self.data.get(section)
            for index, text in enumerate(given if isinstance(given, list) else ()):
                name = bounded(text) if isinstance(text, str) else None
                if name is not None:
                    found.append(((section, str(index)), name))
        return found

    def bounds(
        self, section: str, known: Mapping[str, str], relative: bool = True
    ) -> tuple[Constraint, ...]:
        """The section `constraints` or `goals`.

        Args:
            section: Which.
            known: Name -> unit of all that can be bounded.
            relative: Whether there is a baseline to refer to.
        """
        given = self.data.get(section)
        if given is None:
            return ()
        if not isinstance(given, list):
            self.problems.add((section,), 'give a list: ["latency <= 2 ms"]')
            return ()
        found = []
        for index, text in enumerate(given):
            key = (section, str(index))
            if not isinstance(text, str):
                self.problems.add(key, f'give text: "latency <= 2 ms", not {text!r}')
                continue
            try:
                bound = read_constraint(text, known, self._placed.targets)
                if bound.bound.relative and not relative:
                    self.problems.add(
                        key, "refers to the baseline, and there is none; give baseline: or a number"
                    )
                found.append(bound)
            except KeyError as error:
                name = str(error.args[0])
                self.problems.add(key, self._placed.unknown(name, list(known)))
            except ValueError as error:
                self.problems.add(key, str(error))
        return tuple(found)
