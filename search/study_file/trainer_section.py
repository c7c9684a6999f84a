"""The sections of a study with the user's own trainer: `evaluate`, `cheap`, its objectives, ..."""

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

BUILT_IN = ("task", "data", "teachers", "runtime", "targets", "device")
"""The sections that only the built-in stages need."""


class TrainerReader(SectionReader):
    """Reads the sections that differ in a study with `evaluate`."""

    def refuse_built_in(self) -> None:
        """Notes the sections that are not allowed together with `evaluate`."""
        for section in BUILT_IN:
            if section in self.data:
                self.problems.add(
                    (section,),
                    "is for the built-in stages; leave it out, as your own trainer (evaluate) "
                    "replaces them",
                )

    def functions(self, folder: Path) -> tuple[str, str | None]:
        """Reads `evaluate` and `cheap`."""
        return self._function("evaluate", folder) or "", self._function("cheap", folder)

    def _function(self, key: str, folder: Path) -> str | None:
        path = self.data.get(key)
        if path is None and key == "cheap":
            return None
        if not isinstance(path, str) or not FUNCTION.match(path):
            self.problems.add((key,), f'give a function, "pkg.mod:function", not {path!r}')
            return None
        module = path.partition(":")[0].partition(".")[0]
        if not _module_exists(module, folder):
            self.problems.add(
                (key,),
                f"there is no module {module}, neither installed nor in the folder of the study "
                "file",
            )
        return path

    def objectives(self) -> tuple[ObjectiveSpec, ...]:
        """Reads `objectives`: any names, each with a direction and optionally unit and `worst`."""
        section = self.mapping("objectives")
        if not section:
            self.problems.add(
                ("objectives",),
                "is missing; name what your trainer returns: {error: {minimize: fraction}}",
            )
            return ()
        objectives = [self._objective(str(name), value) for name, value in section.items()]
        return tuple(objective for objective in objectives if objective is not None)

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        if not NAME.match(name):
            self.problems.add(key, "give a name of letters, digits and _")
            return None
        options = dict(value) if isinstance(value, Mapping) else {value: None}
        directions = [d for d in ("minimize", "maximize") if d in options]
        if len(directions) != 1:
            self.problems.add(key, "give a direction: minimize, maximize or {minimize: UNIT}")
            return None
        direction = directions[0]
        unit = options.pop(direction) or ""
        if not isinstance(unit, str):
            self.problems.add((*key, direction), f"give a unit such as ms, not {unit!r}")
            return None
        for extra in [name for name in options if name not in SETTINGS]:
            self.problems.unknown_key((*key, str(extra)), [direction, *SETTINGS])
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
        """Reads `quantities`: name -> unit of each bounded quantity that is not an objective."""
        section = self.mapping("quantities") or {}
        quantities = {}
        for name, unit in section.items():
            key = ("quantities", str(name))
            if not NAME.match(str(name)):
                self.problems.add(key, "give a name of letters, digits and _")
            elif name in {o.name for o in objectives}:
                self.problems.add(key, "is an objective already; leave it out here")
            elif unit is not None and not isinstance(unit, str):
                self.problems.add(key, f"give a unit such as ms, not {unit!r}")
            else:
                quantities[str(name)] = unit or ""
        return quantities

    def baseline(self, space: Node) -> Mapping[str, Any] | None:
        """Reads `baseline`: one plan of fixed values, completed by the space's literals."""
        section = self.mapping("baseline")
        if section is None or not isinstance(space, Record):
            return None
        fields = dict(space.fields)
        for name, value in section.items():
            key = ("baseline", str(name))
            if name not in fields:
                self.problems.unknown_key(key, fields)
            elif (path := _domain_in(value)) is not None:
                self.problems.add((*key, *path), "takes fixed values; only `space` is searched")
        literals = {name: node.value for name, node in fields.items() if isinstance(node, Fixed)}
        missing = [name for name in fields if name not in section and name not in literals]
        if missing:
            self.problems.add(
                ("baseline",),
                f"give {', '.join(missing)} as well: the baseline is one whole plan of the space",
            )
        return {**literals, **section}

    def trainer(
        self,
        functions: tuple[str, str | None],
        space: Node,
        objectives: tuple[ObjectiveSpec, ...],
    ) -> TrainerSpec:
        """Reads `baseline` and `quantities`, and returns the trainer."""
        return TrainerSpec(*functions, self.baseline(space), self.quantities(objectives))


def _module_exists(module: str, folder: Path) -> bool:
    """Returns whether a top-level module can be imported, without importing it."""
    if module in sys.modules:
        return True
    if (folder / f"{module}.py").is_file() or (folder / module).is_dir():
        return True
    if (Path.cwd() / f"{module}.py").is_file() or (Path.cwd() / module).is_dir():
        return True
    return importlib.util.find_spec(module) is not None


def _domain_in(value: Any) -> Key | None:
    """Returns the path of a domain in a value, or None."""
    if isinstance(value, Mapping):
        if any(kind in value for kind in DOMAINS):
            return ()
        for name, child in value.items():
            if (path := _domain_in(child)) is not None:
                return (str(name), *path)
    return None
