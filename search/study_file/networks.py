"""Networks as they are, without domains: the baseline and the teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.search.study.spec import BaselineSpec
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import SpaceReader
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation.base import BASELINE
from paretune.spaces.domains import Record, assign, parameters
from paretune.spaces.table import nearest
from paretune.spaces.training.recipe import Recipe

NETWORK_KEYS = ("architecture", "checkpoint", "pretrain")
AVERAGE = "average"


class NetworkReader(SectionReader):
    """Reads `baseline` and `teachers`.

    Args:
        document: The study file.
        problems: Where mistakes are noted.
        folder: Where checkpoints are looked for.
    """

    def __init__(self, document: Document, problems: Problems, folder: Path) -> None:
        super().__init__(document, problems)
        self._folder = folder
        self._reader = SpaceReader(problems)

    def baseline(self) -> BaselineSpec | None:
        """The section `baseline`."""
        section = self.mapping("baseline")
        if section is None:
            self.problems.add(
                ("baseline",), "is missing; give the model as it is: baseline: {architecture: ...}"
            )
            return None
        return self._network(section, ("baseline",), NETWORK_KEYS)

    def teachers(self, baseline: BaselineSpec | None) -> dict[str, dict[str, Any]]:
        """The section `teachers`, as plans describe them: averages hold their members."""
        section = self.mapping("teachers") or {}
        found: dict[str, Any] = {BASELINE: described(baseline) if baseline else {}}
        averages: dict[str, list[str]] = {}
        for name, value in section.items():
            key = ("teachers", str(name))
            if name == BASELINE:
                self.problems.add(key, "is the model of the section baseline; give another name")
            elif not isinstance(value, Mapping):
                self.problems.add(
                    key, f"give {{architecture: ...}} or {{average: [...]}}, not {value!r}"
                )
            elif AVERAGE in value:
                averages[str(name)] = self._members(value, key)
            else:
                network = self._network(value, key, (*NETWORK_KEYS, AVERAGE))
                found[str(name)] = described(network) if network else {}
        known = [BASELINE, *map(str, section)]
        for name, members in averages.items():
            self._check_members(members, known, ("teachers", name, AVERAGE))
        for name in averages:
            self._resolve(name, averages, found, ())
        return {name: found[name] for name in map(str, section) if name in found}

    # -- one network -----------------------------------------------------------------------------

    def _network(
        self, section: Mapping[str, Any], key: Key, known: Sequence[str]
    ) -> BaselineSpec | None:
        self.known(section, known, key)
        where = (*key, "architecture")
        architecture = None
        if "architecture" in section:
            architecture = self.concrete(
                self._reader.option(ARCHITECTURES, section["architecture"], where), where
            )
        else:
            self.problems.add(where, "is missing")
        recipe = self._recipe(section.get("pretrain"), (*key, "pretrain"))
        checkpoint = self._checkpoint(section.get("checkpoint"), (*key, "checkpoint"))
        if architecture is None:
            return None
        own = [architecture.params.get(name) for name in ("weights", "pretrained", "checkpoint")]
        ships = any(own) or architecture.name == "python"
        if recipe is None and checkpoint is None and not ships and not self.problems:
            self.problems.add(
                key,
                "has no weights; give pretrain: (a recipe), checkpoint: (a file), or a torchvision "
                "model with weights: DEFAULT",
            )
        return BaselineSpec({architecture.name: dict(architecture.params)}, checkpoint, recipe)

    def _recipe(self, given: Any, key: Key) -> dict[str, Any] | None:
        if given is None:
            return None
        node = self._reader.record(Recipe, given, key, "a recipe")
        if list(parameters(node)):
            self.problems.add(key, "takes fixed values; search in space.pretrain")
            return None
        return assign(node, lambda name, domain: None) if isinstance(node, Record) else None

    def _checkpoint(self, given: Any, key: Key) -> str | None:
        if given is None:
            return None
        if not isinstance(given, str) or "\0" in given:
            self.problems.add(key, f"give the path of a .safetensors or .pt file, not {given!r}")
            return None
        file = (self._folder / given).resolve()
        if not file.is_file():
            self.problems.add(key, f"{file}: there is no such file")
        return str(file)

    # -- averages --------------------------------------------------------------------------------

    def _members(self, value: Mapping[str, Any], key: Key) -> list[str]:
        for extra in [name for name in value if name != AVERAGE]:
            self.problems.unknown((*key, str(extra)), [AVERAGE], AVERAGE)
        given = value[AVERAGE]
        where = (*key, AVERAGE)
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            self.problems.add(where, f"give a list of teachers' names, not {given!r}")
            return []
        if len(given) < 2:
            self.problems.add(where, f"give two teachers or more, not {len(given)}")
        for name in dict.fromkeys(name for name in given if given.count(name) > 1):
            self.problems.add(where, f'the teacher "{name}" is there twice')
        return given

    def _check_members(self, members: list[str], known: list[str], key: Key) -> None:
        for index, name in enumerate(members):
            if name not in known:
                self.problems.add((*key, str(index)), unknown_teacher(name, known))

    def _resolve(
        self,
        name: str,
        averages: Mapping[str, list[str]],
        found: dict[str, Any],
        way: tuple[str, ...],
    ) -> Any:
        """The description of a teacher, averages within averages included."""
        if name in way:
            circle = " -> ".join((*way[way.index(name) :], name))
            self.problems.add(("teachers", way[-1], AVERAGE), f"goes in a circle: {circle}")
            return {}
        if name not in found and name in averages:
            members = [self._resolve(m, averages, found, (*way, name)) for m in averages[name]]
            found[name] = {AVERAGE: members}
        return found.get(name, {})


def described(network: BaselineSpec) -> dict[str, Any]:
    """A network as the parameters of a pretrain stage."""
    return {
        "architecture": dict(network.architecture),
        "checkpoint": network.checkpoint,
        "recipe": network.pretrain,
    }


def unknown_teacher(name: Any, known: Sequence[str]) -> str:
    """What to say of a teacher that nobody knows."""
    hint = nearest(str(name), list(known)) or "."
    return f'unknown teacher "{name}"{hint} Known: {", ".join(known)}.'
