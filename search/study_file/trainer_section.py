"""A study of the user's own trainer: `evaluate`, `cheap`, its objectives, space and baseline."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.search.study.spec import ObjectiveSpec, TrainerSpec
from paretune.search.study_file.problems import Key
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import DOMAINS
from paretune.spaces.domains import Fixed, Node, Record

FUNCTION = re.compile(r"^[\w.]+:[\w.]+$")
NAME = re.compile(r"^[A-Za-z_]\w*$")
SETTINGS = ("worst",)

BUILT_IN = ("data", "teachers", "runtime", "targets", "device")
"""Sections that only the built-in stages need."""


class OwnReader(SectionReader):
    """Reads what is different in a study with `evaluate`."""

    def refuse_built_in(self) -> None:
        """Notes the sections that mean nothing beside `evaluate`."""
        for section in BUILT_IN:
            if section in self.data:
                self.problems.add(
                    (section,), "is for the built-in stages; your own trainer (evaluate) has it all"
                )

    def functions(self, folder: Path) -> tuple[str, str | None]:
        """`evaluate` and `cheap`."""
        return self._function("evaluate", folder) or "", self._function("cheap", folder)

    def _function(self, key: str, folder: Path) -> str | None:
        given = self.data.get(key)
        if given is None and key == "cheap":
            return None
        if not isinstance(given, str) or not FUNCTION.match(given):
            self.problems.add((key,), f'give a function, "pkg.mod:function", not {given!r}')
            return None
        module = given.partition(":")[0].partition(".")[0]
        if not _is_there(module, folder):
            self.problems.add(
                (key,), f"there is no module {module}, neither installed nor beside the study file"
            )
        return given

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """The section `objectives`: any name, a direction, and optionally unit and `worst`."""
        section = self.mapping("objectives")
        if not section:
            self.problems.add(
                ("objectives",),
                "is missing; name what your trainer gives: {error: {minimize: fraction}}",
            )
            return ()
        found = [self._objective(str(name), value) for name, value in section.items()]
        return tuple(objective for objective in found if objective is not None)

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        if not NAME.match(name):
            self.problems.add(key, "give a name of letters, digits and _")
            return None
        options = dict(value) if isinstance(value, Mapping) else {value: None}
        given = [d for d in ("minimize", "maximize") if d in options]
        if len(given) != 1:
            self.problems.add(key, "give a direction: minimize, maximize or {minimize: UNIT}")
            return None
        direction = given[0]
        unit = options.pop(direction) or ""
        if not isinstance(unit, str):
            self.problems.add((*key, direction), f"give a unit such as ms, not {unit!r}")
            return None
        for extra in [name for name in options if name not in SETTINGS]:
            self.problems.unknown((*key, str(extra)), [direction, *SETTINGS])
        worst = options.get("worst")
        if worst is not None and (isinstance(worst, bool) or not isinstance(worst, int | float)):
            self.problems.add((*key, "worst"), f"give a number, not {worst!r}")
            return None
        return ObjectiveSpec(
            name,
            "minimize" if direction == "minimize" else "maximize",
            unit,
            {},
            None if worst is None else float(worst),
        )

    def quantities(self, objectives: tuple[ObjectiveSpec, ...]) -> Mapping[str, str]:
        """The section `quantities`: name -> unit of what is bounded but no objective."""
        section = self.mapping("quantities") or {}
        found = {}
        for name, unit in section.items():
            key = ("quantities", str(name))
            if not NAME.match(str(name)):
                self.problems.add(key, "give a name of letters, digits and _")
            elif name in {o.name for o in objectives}:
                self.problems.add(key, "is an objective already; leave it out here")
            elif unit is not None and not isinstance(unit, str):
                self.problems.add(key, f"give a unit such as ms, not {unit!r}")
            else:
                found[str(name)] = unit or ""
        return found

    def baseline(self, space: Node) -> Mapping[str, Any] | None:
        """The section `baseline`: a plan of fixed values, the space's literals filled in."""
        section = self.mapping("baseline")
        if section is None or not isinstance(space, Record):
            return None
        fields = dict(space.fields)
        for name, value in section.items():
            key = ("baseline", str(name))
            if name not in fields:
                self.problems.unknown(key, fields)
            elif (place := _domain_in(value)) is not None:
                self.problems.add((*key, *place), "takes fixed values; only `space` is searched")
        literals = {name: node.value for name, node in fields.items() if isinstance(node, Fixed)}
        missing = [name for name in fields if name not in section and name not in literals]
        if missing:
            self.problems.add(
                ("baseline",),
                f"give {', '.join(missing)} as well: the baseline is one whole plan of the space",
            )
        return {**literals, **section}

    def own(
        self,
        functions: tuple[str, str | None],
        space: Node,
        objectives: tuple[ObjectiveSpec, ...],
    ) -> TrainerSpec:
        """All that is known of the trainer."""
        return TrainerSpec(*functions, self.baseline(space), self.quantities(objectives))


def _is_there(module: str, folder: Path) -> bool:
    """Whether a top-level module can be found, without importing it."""
    if module in sys.modules:
        return True
    if (folder / f"{module}.py").is_file() or (folder / module).is_dir():
        return True
    if (Path.cwd() / f"{module}.py").is_file() or (Path.cwd() / module).is_dir():
        return True
    return importlib.util.find_spec(module) is not None


def _domain_in(value: Any) -> Key | None:
    """Where a value holds a domain, or None."""
    if isinstance(value, Mapping):
        if any(kind in value for kind in DOMAINS):
            return ()
        for name, child in value.items():
            if (place := _domain_in(child)) is not None:
                return (str(name), *place)
    return None
