"""The JSON Schema of a study file, generated from the same tables and Params that check it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter

from paretune.search.data import DATASETS
from paretune.search.study.quantity import Quantity, of_artifact, units
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.sampler_options import SAMPLER_OPTIONS
from paretune.search.study.tables import RUNTIMES, SAMPLER_NAMES
from paretune.search.study_file.loading import StudyParams
from paretune.search.study_file.networks import AVERAGE
from paretune.search.study_file.search_and_budget import BudgetParams, SearchParams
from paretune.search.study_file.space import item_of, nested_of, slot_of, takes_mapping
from paretune.search.study_file.targets import NAME as TARGET
from paretune.search.study_file.trainer_section import BUILT_IN, FUNCTION, NAME
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import BASELINE
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table, first_line
from paretune.spaces.training.recipe import Recipe

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TIME: Schema = {
    "anyOf": [
        {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2},
        {"type": "number", "exclusiveMinimum": 0},
    ],
    "description": "how long a run may take: 2h, 30m, 1h30m, 90s, or seconds",
}
_FINAL: Schema = {
    "anyOf": [{"enum": ["off", False]}, *_TIME["anyOf"]],
    "description": "how long measuring the front again may take; a tenth of the run if not given",
}


_AVERAGE: Schema = {
    "type": "object",
    "description": "several teachers: their mean class probabilities",
    "additionalProperties": False,
    "required": [AVERAGE],
    "properties": {AVERAGE: {"type": "array", "minItems": 2, "items": {"type": "string"}}},
}


def study_schema() -> Schema:
    """The schema (draft 2020-12); an editor that reads it completes a study file."""
    build = _Builder()
    schema = _study(build)
    return {**schema, "$defs": build.definitions}


def _study(build: _Builder) -> Schema:
    top = StudyParams.model_json_schema()["properties"]
    bounds = {"type": "array", "items": {"type": "string"}}
    return {
        "$schema": DIALECT,
        "title": "Paretune study",
        "type": "object",
        "additionalProperties": False,
        "required": ["space", "objectives"],
        "properties": {
            "study": top["study"],
            **{
                key: {"type": "string", "pattern": FUNCTION.pattern, "description": about}
                for key, about in _FUNCTIONS.items()
            },
            **{section: {} for section in _SECTIONS},
            "quantities": {},
            "constraints": bounds | {"description": '["accuracy >= baseline - 1%"]'},
            "goals": bounds | {"description": '["latency <= 0.5 x baseline"]'},
            "search": _object(
                {
                    "sampler": {
                        "anyOf": [
                            {"enum": list(SAMPLER_NAMES)},
                            {
                                "type": "object",
                                "maxProperties": 1,
                                "minProperties": 1,
                                "propertyNames": {"enum": list(SAMPLER_NAMES)},
                                "properties": {
                                    name: build.record(SAMPLER_OPTIONS[name], False)
                                    for name in ("thompson", "evolution")
                                },
                            },
                        ]
                    },
                    "racing": {"anyOf": [build.record(RacingParams, False), {"type": "null"}]},
                    **SearchParams.model_json_schema()["properties"],
                },
                "how the space is searched",
            ),
            "budget": _object(
                {"time": _TIME, "final": _FINAL, **BudgetParams.model_json_schema()["properties"]},
                "when a run ends",
            ),
            "storage": {
                "type": "string",
                "description": "sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE",
            },
            "device": top["device"],
        },
        "not": {"required": ["runtime", "targets"]},
        "if": {"required": ["evaluate"]},
        "then": {"properties": _own_trainer()},
        "else": {"required": ["data", "baseline"], "properties": _stages(build)},
    }


_SECTIONS = ("data", "baseline", "teachers", "space", "runtime", "targets", "objectives")
_FUNCTIONS = {
    "evaluate": 'your own trainer in place of the built-in stages: "pkg.mod:function"',
    "cheap": "what is known of a plan without training, with evaluate only",
}


def _stages(build: _Builder) -> Schema:
    """The sections of a study of the built-in stages."""
    return {
        "cheap": False,
        "quantities": False,
        "data": {
            **build.option(DATASETS, searched=False),
            "description": "the data set: a name, or {name: options}",
        },
        "baseline": _network(build) | {"description": "the model as it is: trial 0"},
        "teachers": {
            "type": "object",
            "description": "networks that a distillation may learn from, by name",
            "propertyNames": {"not": {"const": BASELINE}},
            "additionalProperties": {"anyOf": [_network(build), _AVERAGE]},
        },
        "space": _object(
            {
                "architecture": build.option(ARCHITECTURES),
                "pretrain": build.record(Recipe),
                "pruning": build.option(PRUNINGS),
                "distillation": build.option(DISTILLATIONS),
                "finetune": build.record(Recipe),
                "quantization": build.option(QUANTIZATIONS),
            },
            "what may change: literals, or domains (choice, float, int)",
        ),
        "runtime": build.option(RUNTIMES, searched=False),
        "targets": {
            "type": "object",
            "description": "several places instead of one runtime, by name: latency@NAME",
            "minProperties": 1,
            "propertyNames": {"pattern": TARGET.pattern},
            "additionalProperties": build.option(RUNTIMES, searched=False),
        },
        "objectives": _object({name: _objective(name) for name in units()}, "what is measured")
        | {
            "minProperties": 1,
            "additionalProperties": False,
            "patternProperties": {r"^[\w.]+:[\w.@]+$": {}, **_targeted()},
        },
    }


def _targeted() -> Schema:
    """Objectives of one target, by pattern: `latency@phone`."""
    names = [name for name in units() if of_artifact(Quantity.of(name).entry())]
    target = TARGET.pattern.removeprefix("^")
    return {f"^{re.escape(name)}@{target}": _objective(name) for name in names}


def _own_trainer() -> Schema:
    """The sections of a study with `evaluate`: names and keys are the user's."""
    unit = {"type": ["string", "null"], "description": "ms, fraction, bytes, or any other"}
    worst = {"type": "number", "description": "what is worse is worth nothing"}
    direction = [
        _object({name: unit, "worst": worst}, f"{name}: UNIT", [name])
        for name in ("minimize", "maximize")
    ]
    return {
        **{section: False for section in BUILT_IN},
        "baseline": {
            "type": ["object", "null"],
            "description": "trial 0: one whole plan, with fixed values",
        },
        "space": {
            "type": "object",
            "description": "what your function takes: literals, or domains (choice, float, int)",
        },
        "objectives": {
            "type": "object",
            "description": "what your function gives: {error: {minimize: fraction}}",
            "minProperties": 1,
            "propertyNames": {"pattern": NAME.pattern},
            "additionalProperties": {"anyOf": [{"enum": ["minimize", "maximize"]}, *direction]},
        },
        "quantities": {
            "type": ["object", "null"],
            "description": "what else it gives, for constraints: {memory: bytes}",
            "propertyNames": {"pattern": NAME.pattern},
            "additionalProperties": unit,
        },
    }


def _network(build: _Builder) -> Schema:
    return _object(
        {
            "architecture": build.option(ARCHITECTURES, searched=False),
            "checkpoint": {
                "type": "string",
                "description": ".safetensors or .pt file with the weights",
            },
            "pretrain": build.record(Recipe, searched=False),
        },
        "a network, trained first or with weights from a file",
        ["architecture"],
    )


def _object(properties: Schema, description: str, required: list[str] | None = None) -> Schema:
    schema: Schema = {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }
    return {**schema, "required": required} if required else schema


def _objective(name: str) -> Schema:
    """An objective, or a further value of one, with the options of its measurement."""
    quantity = Quantity.of(name)
    entry, spec = quantity.entry(), quantity.spec()
    direction = "minimize" if spec.better == "lower" else "maximize"
    fields = dict(entry.Params.model_json_schema().get("properties", {}))
    statistic = fields.pop("statistic", {"type": "null"})
    if quantity.value is not None:
        statistic = {"type": "null"}
    return {
        "description": f"{spec.about} [{spec.unit}]",
        "anyOf": [
            {"const": direction},
            _object({direction: statistic, **fields}, spec.about, [direction]),
        ],
    }


class _Builder:
    """Makes a definition of each option, table and Params once, and refers to it."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def option(self, table: Table, searched: bool = True) -> Schema:
        """One option of a table, and for a searched one also a choice of several."""
        return self._defined(table.kind, searched, lambda: self._option(table, searched))

    def record(self, params: type[BaseModel], searched: bool = True) -> Schema:
        """The parameters of a Params."""
        name = f"{params.__module__}.{params.__qualname__}"
        return self._defined(name, searched, lambda: self._record(params, searched))

    def _defined(self, name: str, searched: bool, make: Callable[[], Schema]) -> Schema:
        key = name.replace(" ", "_") + ("" if searched else ".fixed")
        if key not in self.definitions:
            self.definitions[key] = {}  # reserves the name while its parts are made
            self.definitions[key] = make()
        return {"$ref": f"#/$defs/{key}"}

    def _option(self, table: Table, searched: bool) -> Schema:
        single = self._named(table, searched)
        if not searched:
            return {"anyOf": single}
        branches = {name: self.record(table.get(name).Params) for name in table.names}
        choice = _object(
            {
                "choice": {
                    "anyOf": [
                        {**_branches(branches), "minProperties": 1},
                        {"type": "array", "minItems": 1, "items": {"anyOf": single}},
                    ]
                }
            },
            f"one of several: each {table.kind} with its parameters",
            ["choice"],
        )
        return {"anyOf": [*single, choice]}

    def _named(self, table: Table, searched: bool) -> list[Schema]:
        """The spellings of one option: a name, {name: ...}, {name: primary, other: ...}."""
        bare = [name for name in table.names if not _required(table.get(name).Params)]
        about = "; ".join(f"{name}: {first_line(table.get(name))}" for name in bare)
        found: list[Schema] = [{"enum": bare, "description": about}]
        for name in table.names:
            entry = table.get(name)
            about = first_line(entry)
            found.append(
                _object({name: _or_null(self.record(entry.Params, searched))}, about, [name])
            )
            primary = getattr(entry, "primary", None)
            if primary is not None:
                rest = dict(self._properties(entry.Params, searched))
                spelled = {name: rest.pop(primary), **rest}
                found.append(_object(spelled, about, [name]))
        return found

    def _record(self, params: type[BaseModel], searched: bool) -> Schema:
        about = (params.__doc__ or "").splitlines()[0]
        return _object(self._properties(params, searched), about, _required(params) or None)

    def _properties(self, params: type[BaseModel], searched: bool) -> Schema:
        properties: Schema = {}
        for name, info in params.model_fields.items():
            slot, nested = slot_of(info), nested_of(info)
            if slot is not None:
                properties[name] = self.option(slot.table, searched)
            elif nested is not None:
                properties[name] = self.record(nested, searched)
            else:
                leaf = TypeAdapter(info.rebuild_annotation()).json_schema()
                self._fill_lists(leaf, item_of(info), searched)
                about = {"description": info.description} if info.description else {}
                if (
                    searched
                    and takes_mapping(info)
                    and leaf.get("additionalProperties") is not True
                ):
                    every = _searched(leaf["additionalProperties"])
                    domains = every["anyOf"][1:]  # one for each layer
                    values = {"type": "object", "additionalProperties": every}
                    properties[name] = {"anyOf": [*domains, values], **about}
                    continue
                plain = not searched or takes_mapping(info)
                properties[name] = {**leaf, **about} if plain else _searched({**leaf, **about})
        return properties

    def _fill_lists(self, leaf: Schema, item: Any, searched: bool) -> None:
        """Lets each item of a list be what the loader takes: parameters, or a literal or domain."""
        leaf.pop("$defs", None)
        for one in leaf.get("anyOf", [leaf]):
            if one.get("type") != "array" or item is None:
                continue
            if isinstance(item, type) and issubclass(item, BaseModel):
                one["items"] = self.record(item, searched)
            elif searched:
                one["items"] = _searched(one["items"])


def _branches(branches: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _or_null(schema) for name, schema in branches.items()},
        "patternProperties": {r"^[\w.]+:[\w.]+$": {}},
    }


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _required(params: type[BaseModel]) -> list[str]:
    return [name for name, info in params.model_fields.items() if info.is_required()]


def _searched(literal: Schema) -> Schema:
    """A literal, or a domain of it."""
    kinds = {one.get("type") for one in literal.get("anyOf", [literal])}
    options: list[Schema] = [
        literal,
        _object(
            {"choice": {"type": "array", "minItems": 1, "items": literal}},
            "one of these values",
            ["choice"],
        ),
    ]
    for kind, types in (("float", {"number"}), ("int", {"integer", "number"})):
        if not kinds & types:
            continue
        number = "integer" if kind == "int" else "number"
        ends = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": number}}
        options.append(
            _object(
                {
                    kind: ends,
                    "log": {"type": "boolean"},
                    "step": {"type": number, "exclusiveMinimum": 0},
                },
                f"a {kind} from low to high, both included",
                [kind],
            )
        )
    return {"anyOf": options, "description": literal.get("description", "")}
