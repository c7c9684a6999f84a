"""Chain: the stages of a plan, each with the digest of all that its result depends on.

A stage's key is the digest of its kind, its parameters, the versions of its techniques, its
parent's key, the data's fingerprint and the study's seed. Plans that begin alike have the first
keys in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from paretune.search.files import sha256_of
from paretune.search.study.plan import Plan, without_teacher
from paretune.search.study.spec import digest
from paretune.search.study.stage import TECHNIQUES, Stage
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.training import learning_rates
from paretune.spaces.training.recipe import Recipe

TRAINING_VERSION = 2
"""Raised when the training loop gives other weights for the same recipe and seed."""

ENDLESS_VERSION = 1
"""The same for recipes whose seed does not depend on how long they are."""


@dataclass(frozen=True)
class StageKey:
    """What a stage's result depends on."""

    kind: str
    params: Mapping[str, Any]
    versions: Mapping[str, int]
    parent: str | None
    data: str
    seed: int

    def digest(self) -> str:
        """The key: SHA-256 in hex, the first 32 digits."""
        return digest(vars(self))[:32]

    def at_any_length(self) -> StageKey:
        """The key of a training, whatever its number of epochs."""
        recipe = {**self.params["recipe"], "epochs": None}
        return replace(self, params={**self.params, "recipe": recipe})


@dataclass(frozen=True)
class Link:
    """A stage with its key in the chain of stages before it.

    Attributes:
        stage: Of the plan.
        digest: Of the key: the stage's name in the cache.
        parent: The digest of the stage before it; None for the first.
        endless: The digest of the stage at any length, where a longer training begins with the
            very epochs of a shorter one; else None.
        runtime: Whose int8 the plan trains for; None for a teacher's, which is not deployed.
    """

    stage: Stage
    digest: str
    parent: str | None
    endless: str | None
    runtime: str | None

    @property
    def seed(self) -> int:
        """Of all that is random in the stage."""
        return int((self.endless or self.digest)[:8], 16)

    @property
    def epochs(self) -> int:
        """How long a stage with a recipe trains."""
        return int(self.stage.params["recipe"]["epochs"])


class Chain:
    """Keys on one data set.

    Args:
        data: Its fingerprint.
        seed: The study's.
        teacher: A teacher's description, None for the baseline -> digest of all that it depends on.
    """

    def __init__(
        self, data: str, seed: int, teacher: Callable[[Mapping[str, Any] | None], str]
    ) -> None:
        self._data = data
        self._seed = seed
        self._teacher = teacher

    def links(self, plan: Plan, runtime: str | None) -> list[Link]:
        """The stages that make the candidate, in order."""
        links: list[Link] = []
        parent: str | None = None
        for stage in plan.stages:
            if stage.kind == "deploy":
                continue
            params, endless = self._ingredients(stage, runtime), is_endless(stage)
            versions = _versions(stage, endless)
            key = StageKey(stage.kind, params, versions, parent, self._data, self._seed)
            longer = key.at_any_length().digest() if endless else None
            links.append(Link(stage, key.digest(), parent, longer, runtime))
            parent = links[-1].digest
        return links

    def _ingredients(self, stage: Stage, runtime: str | None) -> Mapping[str, Any]:
        """A stage's parameters, with the content of what they only name."""
        params = dict(stage.params)
        if stage.kind == "quantize":
            params["runtime"] = runtime  # whose int8 is trained for
        if params.get("checkpoint"):
            file = Path(params["checkpoint"])
            known = file.stat()
            params["checkpoint"] = _content(file, known.st_mtime_ns, known.st_size)
        if params.get("distillation"):
            # Whatever the teacher is called, and in whatever other stages it teaches.
            params["distillation"] = without_teacher(params["distillation"])
            params["teacher"] = self._teacher(params.get("teacher"))
        return params


@lru_cache
def _content(file: Path, changed: int, size: int) -> str:
    """The digest of a file as it is; read once, though every plan's keys ask for it."""
    return sha256_of(file)


def is_endless(stage: Stage) -> bool:
    """Whether a longer training of this kind begins with the very epochs of a shorter one."""
    recipe = stage.params.get("recipe")
    return bool(recipe) and learning_rates.endless(Recipe.model_validate(recipe).schedule)


def _versions(stage: Stage, endless: bool) -> dict[str, int]:
    """The version of everything that a stage's result depends on."""
    versions = {"training": TRAINING_VERSION}
    if endless:
        versions["endless"] = ENDLESS_VERSION
    tables = (("architecture", ARCHITECTURES), ("distillation", DISTILLATIONS))
    for key, table in (*tables, *TECHNIQUES.values()):
        if stage.params.get(key):
            name, _ = table.parse(stage.params[key])
            versions[name] = table.get(name).version
    return versions
