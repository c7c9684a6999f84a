"""An elastic architecture in `space`: one training, from which subnets are cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from paretune.search.study.elastic import ELASTIC, ESTIMATES, SOURCE, TRAINING
from paretune.search.study.spec import BaselineSpec
from paretune.search.study_file.networks import description
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.space import SpaceReader, is_domain, message
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation.base import BASELINE
from paretune.spaces.domains import Choice, Fixed, Float, Node, Record, assign, parameters
from paretune.spaces.elastic.spec import ElasticDepth, ElasticSpec
from paretune.spaces.params import Params
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

EXAMPLE = "elastic: {of: baseline, width: [0.25, 1], epochs: 20}"

DEPTH_STEP = 0.25
"""Distance of the depths in a range, as a share of the residual blocks."""

FULL = "full"
"""Label of the resolution of the data."""


class ElasticParams(Params):
    """Options of an elastic architecture beside those of its subnets and its training."""

    of: str | dict[str, Any] = Field(
        description="the network whose subnets are searched: baseline, with the weights of trial "
        "0, or an architecture"
    )
    pretrain: dict[str, Any] | None = Field(
        None,
        description="recipe of the network's own training before the elastic one; default: that of "
        "the baseline, or space.pretrain",
    )
    estimates: int = Field(
        100,
        ge=0,
        le=100_000,
        description="subnets that are scored on training examples right after the elastic "
        "training; the sampler learns from the scores",
    )


OVERRIDDEN: Mapping[str, str] = {
    "depth": "share of the residual blocks that a subnet keeps: two values are the ends of a "
    "range in steps of 1/4, more values are the shares; or {least: 0.5, criterion: loss}",
    "groups": "number of parts of the network that have widths and depths of their own",
}
"""Option of `ElasticSpec` -> its description in a study file, where the section reads it itself."""


def option_names() -> dict[str, FieldInfo]:
    """Returns name -> field of all options of an elastic architecture."""
    return {
        **ElasticParams.model_fields,
        **ElasticSpec.model_fields,
        **Recipe.model_fields,
    }


class ElasticReader:
    """Reads `elastic: {...}` as a branch of the architectures of a space.

    Args:
        problems: Collects the mistakes.
        reader: Reads architectures and recipes.
        baseline: The baseline; None if it has mistakes.
        pretrain: The section space.pretrain.
    """

    def __init__(
        self,
        problems: Problems,
        reader: SpaceReader,
        baseline: BaselineSpec | None,
        pretrain: Any,
    ) -> None:
        self._problems, self._reader = problems, reader
        self._baseline, self._pretrain = baseline, pretrain

    def node(self, value: Any, key: Key) -> Node:
        """Returns the tree of an elastic architecture.

        Args:
            value: Its options.
            key: Their path in the study file.
        """
        if not isinstance(value, Mapping):
            self._problems.add(key, f"give its options: {EXAMPLE}; not {value!r}")
            return Fixed(None)
        known = option_names()
        for name in value:
            if name not in known:
                self._problems.unknown_key((*key, str(name)), known, ELASTIC)
        before = len(self._problems)
        self._refuse_domains(value, key)
        depths = self._depths(value.get("depth"), (*key, "depth"))
        spec = self._spec(value, depths, key)
        source = self._source(value, key)
        recipe = self._recipe({k: v for k, v in value.items() if k in Recipe.model_fields}, key)
        estimates = self._estimates(value, key)
        if spec is None or source is None or recipe is None or len(self._problems) > before:
            return Fixed(None)
        fields: list[tuple[str, Node]] = [
            (SOURCE, Fixed(source)),
            (TRAINING, Fixed({ELASTIC: spec.model_dump(), "recipe": recipe})),
            (ESTIMATES, Fixed(estimates)),
        ]
        if spec.width is not None:
            fields.append(("width", _in_parts(_domain(spec.widths), spec.groups)))
        if depths:
            fields.append(("depth", _in_parts(_domain(depths), spec.groups)))
        if spec.resolution:
            sides: list[tuple[str, Node]] = [(str(s), Fixed(s)) for s in spec.resolution]
            fields.append(("resolution", Choice((*sides, (FULL, Fixed(None))))))
        return Record(tuple(fields))

    def _refuse_domains(self, value: Mapping[str, Any], key: Key) -> None:
        for name in ("width", "depth", "resolution"):
            if is_domain(value.get(name)):
                self._problems.add(
                    (*key, name),
                    "give the list of its values, not a domain: width: [0.25, 1], or "
                    "resolution: [16, 24]",
                )

    def _depths(self, value: Any, key: Key) -> list[float]:
        """Returns the shares of the residual blocks that a subnet may keep; empty for all."""
        if value is None or is_domain(value):
            return []
        if isinstance(value, Mapping):
            least = value.get("least", ElasticDepth.model_fields["least"].default)
            return _range([least, 1.0]) if _is_share(least) else []
        shares = value if isinstance(value, list) else [value]
        if not all(map(_is_share, shares)) or sorted(set(shares)) != shares or shares[-1] != 1:
            self._problems.add(
                key,
                "give ascending shares of the blocks, above 0 and up to 1 (all blocks): "
                f"depth: [0.5, 1]; not {value!r}",
            )
            return []
        return _range(shares) if len(shares) == 2 else [float(share) for share in shares]

    def _spec(
        self, value: Mapping[str, Any], depths: Sequence[float], key: Key
    ) -> ElasticSpec | None:
        options = {k: v for k, v in value.items() if k in ElasticSpec.model_fields}
        if "depth" in options and not isinstance(options["depth"], Mapping):
            options["depth"] = {"least": depths[0]} if depths else None
        options = {"groups": 1, **options}
        if isinstance(options.get("width"), list):
            numbers = [float(w) if isinstance(w, int) else w for w in options["width"]]
            options["width"] = numbers
        try:
            return ElasticSpec.model_validate(options)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = (*key, *(str(step) for step in detail["loc"] if isinstance(step, str)))
                line = {k: detail[k] for k in ("type", "loc", "input", "ctx") if k in detail}
                single = ValidationError.from_exception_data(error.title, [line])  # type: ignore[list-item]
                self._problems.add(path, message(single, detail["input"] if path != key else None))
            return None

    def _source(self, value: Mapping[str, Any], key: Key) -> dict[str, Any] | None:
        """Returns the parameters of the stage before the elastic training."""
        of = value.get("of")
        if of is None:
            self._problems.add(
                (*key, "of"), "is missing; give the network: of: baseline, or an architecture"
            )
            return None
        own = self._recipe(value["pretrain"], (*key, "pretrain")) if value.get("pretrain") else None
        if of == BASELINE:
            if self._baseline is None:
                return None
            source = description(self._baseline)
            return source if own is None else {**source, "recipe": own}
        path = (*key, "of")
        node = self._reader.option(ARCHITECTURES, of, path)
        if list(parameters(node)):
            self._problems.add(path, "takes fixed values: one network is trained for all subnets")
            return None
        architecture = assign(node, lambda name, domain: None)
        if not isinstance(architecture, Mapping):
            return None
        recipe = own or self._first_recipe(key)
        return {"architecture": dict(architecture), "checkpoint": None, "recipe": recipe}

    def _first_recipe(self, key: Key) -> dict[str, Any]:
        """Returns the recipe of space.pretrain; without it, the elastic training is the first."""
        if self._pretrain is None:
            return Recipe(epochs=0).to_json()
        node = self._reader.record(Recipe, self._pretrain, ("space", "pretrain"), "a recipe")
        if list(parameters(node)):
            self._problems.add(
                (*key, "pretrain"),
                "is missing: space.pretrain has parameters to search, and one network is trained "
                "for all subnets; give its recipe: pretrain: {epochs: 10}",
            )
        if not isinstance(node, Record) or list(parameters(node)):
            return {}
        return dict(assign(node, lambda name, domain: None))

    def _recipe(self, value: Any, key: Key) -> dict[str, Any] | None:
        if isinstance(value, Mapping) and "epochs" not in value:
            self._problems.add(
                (*key, "epochs"), "is missing; give the epochs of the training: epochs: 20"
            )
            return None
        node = self._reader.record(Recipe, value, key, "a recipe")
        names = [p.name for p in parameters(node)]
        if names:
            self._problems.add(
                (*key, names[0].split(".")[0]),
                "takes a fixed value: one training serves all subnets; search in space.finetune",
            )
            return None
        if not isinstance(node, Record):
            return None
        recipe: dict[str, Any] = assign(node, lambda name, domain: None)
        if key[-1] == ELASTIC and recipe["epochs"] == 0:
            self._problems.add((*key, "epochs"), "must be at least 1: subnets need the training")
        return recipe

    def _estimates(self, value: Mapping[str, Any], key: Key) -> int:
        try:
            own = {k: v for k, v in value.items() if k == "estimates"}
            return ElasticParams.model_validate({"of": BASELINE, **own}).estimates
        except ValidationError as error:
            self._problems.add((*key, "estimates"), message(error, value.get("estimates")))
            return 0


def _is_share(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 < value <= 1


def _range(ends: Sequence[float]) -> list[float]:
    """Returns the shares from the first to the last, which is 1, in steps of DEPTH_STEP."""
    low = float(ends[0])
    steps = int((1 - low) / DEPTH_STEP - 1e-9)
    return [low, *(1 - DEPTH_STEP * step for step in range(steps, -1, -1))] if low < 1 else [1.0]


def _domain(values: Sequence[float]) -> Node:
    """Returns a number with a step if the values are evenly spaced, else a choice of them."""
    if len(values) == 1:
        return Fixed(values[0])
    step = values[1] - values[0]
    if all(math.isclose(b - a, step) for a, b in pairwise(values)):
        return Float(values[0], values[-1], step=step)
    return Choice(tuple((f"{value:g}", Fixed(value)) for value in values))


def _in_parts(domain: Node, parts: int) -> Node:
    """Returns the domain, or a copy of it for each part of the network."""
    if parts == 1:
        return domain
    return Record(tuple((str(part + 1), domain) for part in range(parts)))
