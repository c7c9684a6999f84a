"""Keys of stages: the digest of everything that a stage's result depends on.

A key is the digest of the stage's kind, parameters, technique versions and parent key, the data's
fingerprint and the study's seed. Plans with the same first stages share the keys of these stages.
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
"""Raise this if the training loop gives other weights for the same recipe and seed."""

ENDLESS_VERSION = 1
"""The same, for recipes with a seed that does not depend on their number of epochs."""


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
class Link:
    """A stage of a plan, with its key.

    Attributes:
        stage: The stage.
        digest: Its key, which names it in the cache.
        parent: Key of the stage before it; None for the first.
        endless: Key without the number of epochs, if a longer training begins with the same epochs
            as a shorter one; else None.
        runtime: Runtime that quantizes the network; the plan trains for its int8 rounding. None for
            a teacher, which is not deployed.
    """

    stage: Stage
    digest: str
    parent: str | None
    endless: str | None
    runtime: str | None

    @property
    def seed(self) -> int:
        """Seed of the stage's random streams."""
        return int((self.endless or self.digest)[:8], 16)

    @property
    def epochs(self) -> int:
        """Epochs of a stage with a recipe."""
        return int(self.stage.params["recipe"]["epochs"])


class Chain:
    """Makes the keys of stages on one data set.

    Args:
        data: Fingerprint of the data.
        seed: The study's seed.
        teacher: Description of a teacher, None for the baseline -> key of the teacher.
    """

    def __init__(
        self, data: str, seed: int, teacher: Callable[[Mapping[str, Any] | None], str]
    ) -> None:
        self._data = data
        self._seed = seed
        self._teacher = teacher

    def links(self, plan: Plan, runtime: str | None) -> list[Link]:
        """Returns the stages that make the candidate, in order."""
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
        """Returns a stage's parameters; named files and teachers are replaced by their digests."""
        params = dict(stage.params)
        if stage.kind == "quantize":
            params["runtime"] = runtime  # its int8 rounding is trained for
        if params.get("checkpoint"):
            file = Path(params["checkpoint"])
            status = file.stat()
            params["checkpoint"] = _content(file, status.st_mtime_ns, status.st_size)
        if params.get("distillation"):
            # The teacher's name, and other stages that it teaches, do not matter here.
            params["distillation"] = without_teacher(params["distillation"])
            params["teacher"] = self._teacher(params.get("teacher"))
        return params


@lru_cache
def _content(file: Path, changed: int, size: int) -> str:
    """Returns the digest of a file; an unchanged file is read once for the keys of all plans."""
    return sha256_of(file)


def is_endless(stage: Stage) -> bool:
    """Returns whether a longer training begins with the same epochs as a shorter one."""
    recipe = stage.params.get("recipe")
    return bool(recipe) and learning_rates.endless(Recipe.model_validate(recipe).schedule)


def _versions(stage: Stage, endless: bool) -> dict[str, int]:
    """Returns the versions of all techniques that a stage's result depends on."""
    versions = {"training": TRAINING_VERSION}
    if endless:
        versions["endless"] = ENDLESS_VERSION
    tables = (("architecture", ARCHITECTURES), ("distillation", DISTILLATIONS))
    for key, table in (*tables, *TECHNIQUES.values()):
        if stage.params.get(key):
            name, _ = table.parse(stage.params[key])
            versions[name] = table.get(name).version
    return versions
