"""Objectives, constraints and goals: what is measured, and what it must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from search.plugins import OBJECTIVES
from search.quantity import Quantity, units
from search.spec import Constraint, Direction, ObjectiveSpec
from search.study_file.constraints import bounded, read_constraint
from search.study_file.sections import SectionReader
from spaces.table import nearest


class QuantityReader(SectionReader):
    """Reads `objectives`, `constraints` and `goals`."""

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """The section `objectives`, in the order of the file."""
        section = self.mapping("objectives")
        if not section:
            names = ", ".join(OBJECTIVES.names)
            self.problems.add(
                ("objectives",), f"is missing; give at least one, `accuracy: maximize`: {names}"
            )
            return ()
        found = [self._objective(name, value) for name, value in section.items()]
        read = tuple(objective for objective in found if objective is not None)
        self._one_measurement(read)
        return read

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        quantity = Quantity.of(name)
        try:
            entry, spec = quantity.entry(), quantity.spec()
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
        return ObjectiveSpec(name, right, spec.unit, checked) if checked is not None else None

    def _one_measurement(self, objectives: Sequence[ObjectiveSpec]) -> None:
        """Notes values of one objective whose options differ: one measurement gives them all."""
        first: dict[str, ObjectiveSpec] = {}
        for found in objectives:
            quantity = Quantity.of(found.name)
            other = first.setdefault(quantity.objective, found)
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
            if name is None or name in known:
                continue
            with suppress(ValueError):  # noted where it stands
                known[name] = Quantity.of(name).spec().unit
        return self.bounds(section, known)

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
                bound = read_constraint(text, known)
                if bound.bound.relative and not relative:
                    self.problems.add(
                        key, "refers to the baseline, and there is none; give baseline: or a number"
                    )
                found.append(bound)
            except KeyError as error:
                name = str(error.args[0])
                self.problems.add(key, _unknown(name, list(known)))
            except ValueError as error:
                self.problems.add(key, str(error))
        return tuple(found)


def _unknown(name: str, known: list[str]) -> str:
    """What to say of a name that nothing measures."""
    if ":" in name or Quantity.of(name).objective in known:
        try:
            Quantity.of(name).spec()
        except ValueError as error:
            return str(error)
    hint = nearest(name, known) or "."
    return f'unknown objective "{name}"{hint} Known: {", ".join(known)}.'
