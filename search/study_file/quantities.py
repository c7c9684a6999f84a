"""Objectives, constraints and goals: what is measured, and what it must hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.plugins import OBJECTIVES
from search.spec import Constraint, Direction, ObjectiveSpec
from search.study_file.constraints import read_constraint
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
        return tuple(objective for objective in found if objective is not None)

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        try:
            entry = OBJECTIVES.get(name)
        except ValueError as error:
            self.problems.add(key, str(error))
            return None
        if not all(hasattr(entry, part) for part in ("Params", "unit", "better")):
            self.problems.add(key, f'"{name}" is no objective: it has no Params, unit or better')
            return None
        right: Direction = "minimize" if entry.better == "lower" else "maximize"
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
            self.problems.add(key, f"{name} is better when {entry.better}: write {right}")
            return None
        if "statistic" in options and "statistic" not in entry.Params.model_fields:
            self.problems.add(key, f"has one statistic only: write {name}: {right}")
            return None
        checked = self.plain(entry.Params, options, key)
        return ObjectiveSpec(name, right, entry.unit, checked) if checked is not None else None

    def constraints(self, section: str) -> tuple[Constraint, ...]:
        """The section `constraints` or `goals`."""
        units = {name: OBJECTIVES.get(name).unit for name in OBJECTIVES.names}
        for name in self.mapping("objectives") or {}:
            if ":" in name and name not in units:
                try:
                    units[name] = OBJECTIVES.get(name).unit
                except (ValueError, AttributeError):
                    continue  # noted where it stands
        return self.bounds(section, units)

    def bounds(
        self, section: str, units: Mapping[str, str], relative: bool = True
    ) -> tuple[Constraint, ...]:
        """The section `constraints` or `goals`.

        Args:
            section: Which.
            units: Name -> unit of all that can be bounded.
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
                bound = read_constraint(text, units)
                if bound.bound.relative and not relative:
                    self.problems.add(
                        key, "refers to the baseline, and there is none; give baseline: or a number"
                    )
                found.append(bound)
            except KeyError as error:
                name = str(error.args[0])
                hint = nearest(name, list(units)) or "."
                self.problems.add(
                    key, f'unknown objective "{name}"{hint} Known: {", ".join(units)}.'
                )
            except ValueError as error:
                self.problems.add(key, str(error))
        return tuple(found)
