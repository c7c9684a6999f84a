"""Keys of stages: the digest of everything that a stage's result depends on.

A key is the digest of the stage's kind, parameters, technique versions and parent key, the data's
fingerprint and the study's seed. Plans with the same first stages share the keys of these stages.

The user's own code is part of the key, but not of the seed: an edit makes new stages, and an edit
that changes nothing gives the same weights again.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from paretune.search.building.sources import file_digest, may_name_sources, sources_of
from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.plan import Plan, without_teacher
from paretune.search.study.spec import canonical, checkpoint_file, checkpoint_key, digest
from paretune.search.study.stage import TECHNIQUES, Stage
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

REMEMBERED = 2000
"""Stages whose keys are remembered: to compute them takes most of the time of a proposal."""


@dataclass(frozen=True)
class StageKey:
    """Everything that a stage's result depends on."""

    kind: str
    params: Mapping[str, Any]
    versions: Mapping[str, int]
    parent: str | None
    data: str
    seed: int

    @cached_property
    def text(self) -> str:
        """The content as canonical JSON."""
        return canonical(
            {
                "kind": self.kind,
                "params": self.params,
                "versions": self.versions,
                "parent": self.parent,
                "data": self.data,
                "seed": self.seed,
            }
        )

    def digest(self) -> str:
        """Returns the key: the first 32 hex digits of SHA-256."""
        return sha256(self.text.encode()).hexdigest()[:32]

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

    @cached_property
    def key(self) -> str:
        """Returns the key; without code of the user's, this is the digest of the StageKey."""
        return digest([self.plain, dict(self.code)])[:32] if self.code else self.plain


@dataclass(frozen=True)
class Link:
    """A stage of a plan, with its key.

    Attributes:
        stage: The stage.
        identity: What its key is made of.
        content: What the plain part of the identity is the digest of.
        is_endless: Whether a longer training begins with the same epochs as a shorter one.
        parent: Key of the stage before it; None for the first.
        weights_seed: Seed of fresh weights: the study's seed, or that of a repeat.
        runtime: Runtime that quantizes the network; the plan trains for its int8 rounding. None for
            a teacher, which is not deployed.
    """

    stage: Stage
    identity: StageIdentity
    content: StageKey
    is_endless: bool
    parent: str | None
    weights_seed: int
    runtime: str | None

    @cached_property
    def _at_any_length(self) -> StageIdentity | None:
        """The identity without the number of epochs; None if the training is not endless."""
        if not self.is_endless:  # most links only have a price, which needs the key alone
            return None
        return StageIdentity(self.content.at_any_length().digest(), self.identity.code)

    @property
    def endless(self) -> str | None:
        """Its key without the number of epochs; None if the training is not endless."""
        return self._at_any_length.key if self._at_any_length else None

    @cached_property
    def seed(self) -> int:
        """Seed of the stage's random streams; it does not depend on the user's code."""
        return int((self._at_any_length or self.identity).plain[:8], 16)

    @property
    def digest(self) -> str:
        """Its key, which names it in the cache."""
        return self.identity.key

    @property
    def epochs(self) -> int:
        """Epochs of a stage with a recipe."""
        return int(self.stage.params["recipe"]["epochs"])


@dataclass(frozen=True)
class SeedRepeat:
    """Trains plans again with another seed.

    Attributes:
        seed: The seed of the stages that are trained again.
        first: Plan -> index of the first of them; None if there is none.
    """

    seed: int
    first: Callable[[Plan], int | None]


class Chain:
    """Makes the keys of stages on one data set.

    Args:
        data: Fingerprint of the data.
        seed: The study's seed.
        teacher: Description of a teacher, None for the baseline -> identity of the teacher.
        folder: Folder of the study file, which paths of checkpoints are relative to.
        task: What the networks are trained for; None for classification.
        repeat: Trains plans again with another seed; None for their first training.
    """

    def __init__(
        self,
        data: str,
        seed: int,
        teacher: Callable[[Mapping[str, Any] | None], StageIdentity],
        folder: Path,
        task: Task | None = None,
        repeat: SeedRepeat | None = None,
    ) -> None:
        identity = task.identity() if task else {}
        self._data = digest([data, identity]) if identity else data
        self._task_code = dict(task.code()) if task else {}
        self._seed = seed
        self._teacher = teacher
        self._folder = folder
        self._digests: dict[str, str | None] = {}
        self._links: dict[tuple[Any, ...], Link] = {}
        self._repeat = repeat

    def repeated(self, repeat: SeedRepeat) -> Chain:
        """Returns the chain of the same plans trained again with another seed."""
        chain = copy(self)
        chain._repeat = repeat
        return chain

    def _seeds(self, plan: Plan) -> list[int]:
        """Returns the seed of each stage of a plan."""
        if self._repeat is None:
            return [self._seed] * len(plan.stages)
        first = self._repeat.first(plan)
        count = len(plan.stages) if first is None else first
        return [self._seed] * count + [self._repeat.seed] * (len(plan.stages) - count)

    def links(self, plan: Plan, runtime: str | None) -> list[Link]:
        """Returns the stages that make the candidate, in order."""
        links: list[Link] = []
        for stage, seed in zip(plan.stages, self._seeds(plan), strict=True):
            if stage.kind != "deploy":
                links.append(self._link(stage, links[-1] if links else None, seed, runtime))
        return links

    def _link(self, stage: Stage, above: Link | None, seed: int, runtime: str | None) -> Link:
        """Returns the link of a stage below another one; the plans of a search share many."""
        if stage.params.get("checkpoint"):  # its file may change
            return self._new_link(stage, above, seed, runtime)
        content = marshal.dumps(dict(stage.params), 2)
        key = (stage.kind, content, above and above.digest, seed, runtime)
        if key not in self._links:
            if len(self._links) >= REMEMBERED:
                self._links.clear()
            self._links[key] = self._new_link(stage, above, seed, runtime)
        return self._links[key]

    def _new_link(
        self, stage: Stage, above: Link | None, stage_seed: int, runtime: str | None
    ) -> Link:
        params, endless = self._ingredients(stage, runtime), is_endless(stage)
        versions = _versions(stage, endless)
        before = above.identity.plain if above else None
        key = StageKey(stage.kind, params, versions, before, self._data, stage_seed)
        earlier = above.identity.code if above else self._task_code
        code = {**earlier, **self._code(stage, key.text)}
        identity = StageIdentity(key.digest(), code)
        parent = above.identity.key if above else None
        return Link(stage, identity, key, endless, parent, stage_seed, runtime)

    def _code(self, stage: Stage, text: str) -> dict[str, str]:
        """Returns the digests of the user's files that a stage depends on.

        Args:
            stage: The stage.
            text: Its StageKey as JSON, which has all of its parameters except files and teachers.
        """
        code = {}
        hidden = stage.params.get("checkpoint") or stage.params.get("teacher")
        names_some = hidden or may_name_sources(text)
        sources = sources_of(stage.params, self._folder) if names_some else {}
        for name, make in sources.items():
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


def is_endless(stage: Stage) -> bool:
    """Returns whether a longer training begins with the same epochs as a shorter one."""
    recipe = stage.params.get("recipe")
    if not recipe:
        return False
    if "schedule" not in recipe:
        return _endless(recipe)
    return _is_endless(marshal.dumps(recipe["schedule"], 2))


@lru_cache
def _is_endless(schedule: bytes) -> bool:
    """Returns the same for a serialized schedule; a proposal asks for dozens of plans."""
    return _endless({"epochs": 1, "schedule": marshal.loads(schedule)})


def _endless(recipe: Mapping[str, Any]) -> bool:
    from paretune.spaces.training import learning_rates  # imports torch, which `check` need not

    return learning_rates.endless(Recipe.model_validate(recipe).schedule)


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
