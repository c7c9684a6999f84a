"""Keys of stages: the digest of everything that a stage's result depends on.

A key is the digest of the stage's kind, parameters, technique versions and parent key, the data's
fingerprint and the study's seed. Plans with the same first stages share the keys of these stages.

The user's own code is part of the key, but not of the seed: an edit makes new stages, and an edit
that changes nothing gives the same weights again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from paretune.search.files import sha256_of
from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.plan import Plan, without_teacher
from paretune.search.study.spec import checkpoint_file, checkpoint_key, digest
from paretune.search.study.stage import TECHNIQUES, Stage
from paretune.search.user_code import code_digest, dotted_paths
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.training.losses import LOSSES
from paretune.spaces.training.recipe import Recipe
from paretune.task import Task

TRAINING_VERSION = 2
"""Raise this if the training loop gives other weights for the same recipe and seed."""

ENDLESS_VERSION = 1
"""The same, for recipes with a seed that does not depend on their number of epochs."""

ELASTIC_VERSION = 1
"""Raise this if an elastic training gives other weights for the same options and seed."""

SUBNET_VERSION = 1
"""The same, for the subnets that are cut out of the same network."""


@dataclass(frozen=True)
class StageKey:
    """Everything that a stage's result depends on."""

    kind: str
    params: Mapping[str, Any]
    versions: Mapping[str, int]
    parent: str | None
    data: str
    seed: int

    def digest(self) -> str:
        """Returns the key: the first 32 hex digits of SHA-256."""
        return digest(vars(self))[:32]

    def at_any_length(self) -> StageKey:
        """Returns the key of a training without its number of epochs."""
        recipe = {**self.params["recipe"], "epochs": None}
        return replace(self, params={**self.params, "recipe": recipe})


@dataclass(frozen=True)
class StageIdentity:
    """What tells a stage's result from any other.

    Attributes:
        plain: Digest of its StageKey.
        code: Dotted path or folder -> digest of the user's files that it depends on.
    """

    plain: str
    code: Mapping[str, str]

    @property
    def key(self) -> str:
        """Returns the key; without code of the user's, this is the digest of the StageKey."""
        return digest([self.plain, dict(self.code)])[:32] if self.code else self.plain


@dataclass(frozen=True)
class Link:
    """A stage of a plan, with its key.

    Attributes:
        stage: The stage.
        identity: What its key is made of.
        parent: Key of the stage before it; None for the first.
        endless: Key without the number of epochs, if a longer training begins with the same epochs
            as a shorter one; else None.
        seed: Seed of the stage's random streams; it does not depend on the user's code.
        runtime: Runtime that quantizes the network; the plan trains for its int8 rounding. None for
            a teacher, which is not deployed.
    """

    stage: Stage
    identity: StageIdentity
    parent: str | None
    endless: str | None
    seed: int
    runtime: str | None

    @property
    def digest(self) -> str:
        """Its key, which names it in the cache."""
        return self.identity.key

    @property
    def epochs(self) -> int:
        """Epochs of a stage with a recipe."""
        return int(self.stage.params["recipe"]["epochs"])


class Chain:
    """Makes the keys of stages on one data set.

    Args:
        data: Fingerprint of the data.
        seed: The study's seed.
        teacher: Description of a teacher, None for the baseline -> identity of the teacher.
        folder: Folder of the study file, which paths of checkpoints are relative to.
        task: What the networks are trained for; None for classification.
    """

    def __init__(
        self,
        data: str,
        seed: int,
        teacher: Callable[[Mapping[str, Any] | None], StageIdentity],
        folder: Path,
        task: Task | None = None,
    ) -> None:
        identity = task.identity() if task else {}
        self._data = digest([data, identity]) if identity else data
        self._task_code = dict(task.code()) if task else {}
        self._seed = seed
        self._teacher = teacher
        self._folder = folder
        self._digests: dict[str, str | None] = {}

    def links(self, plan: Plan, runtime: str | None) -> list[Link]:
        """Returns the stages that make the candidate, in order."""
        links: list[Link] = []
        parent: StageIdentity | None = None
        code: dict[str, str] = dict(self._task_code)
        for stage in plan.stages:
            if stage.kind == "deploy":
                continue
            params, endless = self._ingredients(stage, runtime), is_endless(stage)
            versions = _versions(stage, endless)
            before = parent.plain if parent else None
            key = StageKey(stage.kind, params, versions, before, self._data, self._seed)
            code = {**code, **self._code(stage)}
            identity = StageIdentity(key.digest(), code)
            longer = StageIdentity(key.at_any_length().digest(), code) if endless else None
            seed = int((longer or identity).plain[:8], 16)
            above = parent.key if parent else None
            links.append(
                Link(stage, identity, above, longer.key if longer else None, seed, runtime)
            )
            parent = identity
        return links

    def _code(self, stage: Stage) -> dict[str, str]:
        """Returns the digests of the user's files that a stage depends on."""
        code = {}
        for name, make in sources_of(stage.params, self._folder).items():
            if name not in self._digests:  # modules are imported once, so they are read once
                self._digests[name] = make()
            value = self._digests[name]
            if value is not None:
                code[name] = value
        if stage.params.get("distillation"):
            code |= self._teacher(stage.params.get("teacher")).code
        return code

    def _ingredients(self, stage: Stage, runtime: str | None) -> Mapping[str, Any]:
        """Returns a stage's parameters; named files and teachers are replaced by their digests."""
        params = dict(stage.params)
        if stage.kind == "quantize":
            params["runtime"] = runtime  # its int8 rounding is trained for
        if params.get("checkpoint"):
            content = file_digest(self._folder / checkpoint_file(params["checkpoint"]))
            key = checkpoint_key(params["checkpoint"])
            params["checkpoint"] = {"content": content, "key": key} if key else content
        if params.get("distillation"):
            # The teacher's name, and other stages that it teaches, do not matter here.
            params["distillation"] = without_teacher(params["distillation"])
            params["teacher"] = self._teacher(params.get("teacher")).plain
        return params


def sources_of(value: Any, folder: Path) -> dict[str, Callable[[], str | None]]:
    """Returns name -> digest of the code and the folders of weights that JSON names.

    A digest is None if there is no such source file or folder. Files of checkpoints are not among
    them.

    Args:
        value: Parameters of stages, or sections of a study.
        folder: Folder of the study file.
    """
    sources: dict[str, Callable[[], str | None]] = {
        path: partial(code_digest, path) for path in dotted_paths(value)
    }
    for path in _weight_folders(value):
        sources[f"weights of {Path(path).name}"] = partial(_folder_digest, Path(path))
    return sources


def _weight_folders(value: Any) -> Iterator[str]:
    """Yields the folders of weights of Hugging Face models that JSON names."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "transformers" and isinstance(child, Mapping) and child.get("checkpoint"):
                yield str(child["checkpoint"])
            else:
                yield from _weight_folders(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _weight_folders(child)


def _folder_digest(folder: Path) -> str | None:
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    return digest([[file.name, file_digest(file)] for file in files]) if files else None


def file_digest(file: Path) -> str:
    """Returns the digest of a file; an unchanged file is read once.

    Raises:
        OSError: The file cannot be read.
    """
    status = file.stat()
    return _content(file, status.st_mtime_ns, status.st_size)


@lru_cache
def _content(file: Path, changed: int, size: int) -> str:
    """Returns the digest of a file; an unchanged file is read once for the keys of all plans."""
    return sha256_of(file)


def is_endless(stage: Stage) -> bool:
    """Returns whether a longer training begins with the same epochs as a shorter one."""
    from paretune.spaces.training import learning_rates  # imports torch, which `check` need not

    recipe = stage.params.get("recipe")
    return bool(recipe) and learning_rates.endless(Recipe.model_validate(recipe).schedule)


def _versions(stage: Stage, endless: bool) -> dict[str, int]:
    """Returns the versions of all techniques that a stage's result depends on."""
    versions = {"training": TRAINING_VERSION}
    if endless:
        versions["endless"] = ENDLESS_VERSION
    tables = (("architecture", ARCHITECTURES), ("distillation", DISTILLATIONS))
    if stage.kind in (ELASTIC, SUBNET):
        versions[stage.kind] = {ELASTIC: ELASTIC_VERSION, SUBNET: SUBNET_VERSION}[stage.kind]
    for key, table in (*tables, *TECHNIQUES.values()):
        if stage.params.get(key):
            name, _ = table.parse(stage.params[key])
            versions[name] = table.get(name).version
    recipe = stage.params.get("recipe") or {}
    if recipe.get("loss"):
        name, _ = LOSSES.parse(recipe["loss"])
        versions[f"loss {name}"] = LOSSES.get(name).version
    return versions
