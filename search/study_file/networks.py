"""The sections `baseline` and `teachers`: networks without anything to search."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.search.study.spec import BaselineSpec, Checkpoint
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import SpaceReader
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation.base import BASELINE
from paretune.spaces.domains import Record, assign, parameters
from paretune.spaces.table import did_you_mean
from paretune.spaces.training.recipe import Recipe

NETWORK_KEYS = ("architecture", "checkpoint", "pretrain")
AVERAGE = "average"
WEIGHTS = ("weights", "pretrained", "checkpoint")
"""The options of architectures that load trained weights."""


class NetworkReader(SectionReader):
    """Reads `baseline` and `teachers`.

    Args:
        document: The study file.
        problems: Collects the mistakes.
        folder: Folder that paths of checkpoints are relative to.
    """

    def __init__(self, document: Document, problems: Problems, folder: Path) -> None:
        super().__init__(document, problems)
        self._folder = folder
        self._reader = SpaceReader(problems)

    def baseline(self, default: Mapping[str, Any] | None = None) -> BaselineSpec | None:
        """Reads the section `baseline`.

        Args:
            default: Architecture of a baseline that names none; None if it must name one.
        """
        section = self.mapping("baseline")
        if default is not None and "architecture" not in (section or {}):
            section = {"architecture": default, **(section or {})}
        if section is None:
            self.problems.add(
                ("baseline",), "is missing; give the model as it is: baseline: {architecture: ...}"
            )
            return None
        return self._network(section, ("baseline",), NETWORK_KEYS)

    def teachers(self, baseline: BaselineSpec | None) -> dict[str, dict[str, Any]]:
        """Reads the section `teachers`: name -> description, as plans have it.

        The description of an average holds those of its members.
        """
        section = self.mapping("teachers") or {}
        described: dict[str, Any] = {BASELINE: description(baseline) if baseline else {}}
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
                described[str(name)] = description(network) if network else {}
        names = [BASELINE, *map(str, section)]
        for name, members in averages.items():
            self._check_members(members, names, ("teachers", name, AVERAGE))
        for name in averages:
            self._resolve(name, averages, described, ())
        return {name: described[name] for name in map(str, section) if name in described}

    # -- one network -----------------------------------------------------------------------------

    def _network(
        self, section: Mapping[str, Any], key: Key, keys: Sequence[str]
    ) -> BaselineSpec | None:
        self.check_keys(section, keys, key)
        path = (*key, "architecture")
        architecture = None
        if "architecture" in section:
            architecture = self.fixed_option(
                self._reader.option(ARCHITECTURES, section["architecture"], path), path
            )
        else:
            self.problems.add(path, "is missing")
        recipe = self._recipe(section.get("pretrain"), (*key, "pretrain"))
        checkpoint = self._checkpoint(section.get("checkpoint"), (*key, "checkpoint"))
        if architecture is None:
            return None
        weights = [architecture.params.get(name) for name in WEIGHTS]
        has_weights = any(weights) or architecture.name == "python"
        if recipe is None and checkpoint is None and not has_weights and not self.problems:
            self.problems.add(
                key,
                "has no weights; give pretrain: (a recipe), checkpoint: (a file), or a torchvision "
                "model with weights: DEFAULT",
            )
        return BaselineSpec({architecture.name: dict(architecture.params)}, checkpoint, recipe)

    def _recipe(self, value: Any, key: Key) -> dict[str, Any] | None:
        if value is None:
            return None
        node = self._reader.record(Recipe, value, key, "a recipe")
        if list(parameters(node)):
            self.problems.add(key, "takes fixed values; search in space.pretrain")
            return None
        return assign(node, lambda name, domain: None) if isinstance(node, Record) else None

    def _checkpoint(self, value: Any, key: Key) -> Checkpoint | None:
        if not isinstance(value, Mapping):
            return self._file(value, key)
        self.check_keys(value, ("file", "key"), key)
        inner = value.get("key")
        if not isinstance(inner, str) or not inner.strip("."):
            self.problems.add(
                (*key, "key") if "key" in value else key,
                f"give the keys that lead to the weights inside the file (key: ema), not {inner!r}",
            )
            return None
        if value.get("file") is None:
            self.problems.add(key, '"file" is missing')
            return None
        file = self._file(value["file"], (*key, "file"))
        return None if file is None else {"file": file, "key": inner.strip(".")}

    def _file(self, value: Any, key: Key) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or "\0" in value:
            self.problems.add(key, f"give the path of a .safetensors or .pt file, not {value!r}")
            return None
        file = Path(os.path.normpath(self._folder / value))
        if file.is_dir():
            self.problems.add(key, f"{file} is a folder; give the file with the weights")
        elif not file.is_file():
            self.problems.add(key, f"{file}: there is no such file")
        return self._portable(file, absolute=Path(value).is_absolute())

    def _portable(self, file: Path, absolute: bool) -> str:
        """Returns a path relative to the study file, so that both can be moved together.

        A path that the user wrote as absolute stays so, unless it is inside the study's folder.
        """
        if absolute and not file.is_relative_to(self._folder):
            return str(file)
        return Path(os.path.relpath(file, self._folder)).as_posix()

    # -- averages --------------------------------------------------------------------------------

    def _members(self, value: Mapping[str, Any], key: Key) -> list[str]:
        for extra in [name for name in value if name != AVERAGE]:
            self.problems.unknown_key((*key, str(extra)), [AVERAGE], AVERAGE)
        members = value[AVERAGE]
        path = (*key, AVERAGE)
        if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
            self.problems.add(path, f"give a list of teachers' names, not {members!r}")
            return []
        if len(members) < 2:
            self.problems.add(path, f"give two teachers or more, not {len(members)}")
        for name in dict.fromkeys(name for name in members if members.count(name) > 1):
            self.problems.add(path, f'the teacher "{name}" occurs twice')
        return members

    def _check_members(self, members: list[str], names: list[str], key: Key) -> None:
        for index, name in enumerate(members):
            if name not in names:
                self.problems.add((*key, str(index)), unknown_teacher(name, names))

    def _resolve(
        self,
        name: str,
        averages: Mapping[str, list[str]],
        described: dict[str, Any],
        parents: tuple[str, ...],
    ) -> Any:
        """Returns the description of a teacher, and adds it to `described`.

        Args:
            name: The teacher.
            averages: Name of each average -> its members.
            described: Name -> description of the teachers that are resolved already.
            parents: The averages that lead to this teacher, the outermost first.
        """
        if name in parents:
            circle = " -> ".join((*parents[parents.index(name) :], name))
            self.problems.add(("teachers", parents[-1], AVERAGE), f"goes in a circle: {circle}")
            return {}
        if name not in described and name in averages:
            path = (*parents, name)
            members = [self._resolve(m, averages, described, path) for m in averages[name]]
            described[name] = {AVERAGE: members}
        return described.get(name, {})


def description(network: BaselineSpec) -> dict[str, Any]:
    """Returns a network as the parameters of a pretrain stage."""
    return {
        "architecture": dict(network.architecture),
        "checkpoint": network.checkpoint,
        "recipe": network.pretrain,
    }


def unknown_teacher(name: Any, names: Sequence[str]) -> str:
    """Returns the error text for a name that is not among the teachers' names."""
    hint = did_you_mean(str(name), list(names)) or "."
    return f'unknown teacher "{name}"{hint} Known: {", ".join(names)}.'
