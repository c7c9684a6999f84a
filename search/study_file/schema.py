"""The JSON Schema of a study file, generated from the tables and Params that also check it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from paretune.search.data import DATASETS
from paretune.search.study.quantity import Quantity, of_artifact, units
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.sampler_options import SAMPLER_OPTIONS, AutoParams
from paretune.search.study.tables import RUNTIMES, SAMPLER_NAMES
from paretune.search.study_file.loading import StudyParams
from paretune.search.study_file.networks import AVERAGE
from paretune.search.study_file.search_and_budget import BudgetParams, SearchParams
from paretune.search.study_file.space import default_of, item_of, nested_of, slot_of, takes_mapping
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

_TIMES: list[Schema] = [
    {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2},
    {"type": "number", "exclusiveMinimum": 0},
]
_TIME: Schema = {
    "anyOf": _TIMES,
    "description": "time budget of one run: 2h, 30m, 1h30m, 90s, or a number of seconds; no limit "
    "if left out",
}
_FINAL: Schema = {
    "anyOf": [{"enum": ["off", False]}, *_TIMES],
    "description": "longest time of the final session, which measures the front again: off, 2h, "
    "30m, 90s, or a number of seconds; a tenth of the trials' time (10 s to 2 min) if left out",
}
_STORAGE: Schema = {
    "type": "string",
    "description": "database of the study: sqlite (a file in the study's folder), sqlite:///FILE "
    "or postgresql://USER@HOST/DATABASE",
    "default": "sqlite",
}
_AVERAGE: Schema = {
    "type": "object",
    "description": "several teachers as one: the mean of their class probabilities",
    "additionalProperties": False,
    "required": [AVERAGE],
    "properties": {
        AVERAGE: {
            "type": "array",
            "description": "names of the teachers, or `baseline`",
            "minItems": 2,
            "items": {"type": "string"},
        }
    },
}


def study_schema() -> Schema:
    """Returns the schema (draft 2020-12); with it an editor checks and completes a study file."""
    build = _Builder()
    schema = _study(build)
    return {**schema, "$defs": build.definitions}


def _study(build: _Builder) -> Schema:
    top = build.properties(StudyParams, searched=False)
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
            **{section: {} for section in _BRANCHED},
            "constraints": _bounds(
                "what a deployed candidate must hold; a trial that breaks one is infeasible: "
                '["accuracy >= baseline - 1%"]'
            ),
            "goals": _bounds(
                "what the search is to reach; shown, and a reason to stop with "
                'budget.stop_at_goals: ["latency <= 0.5 x baseline"]'
            ),
            "search": _search(build),
            "budget": _object(
                {
                    "time": _TIME,
                    "final": _FINAL,
                    **build.properties(BudgetParams, searched=False),
                },
                "when a run ends",
            ),
            "storage": _STORAGE,
            "device": top["device"],
        },
        "not": {"required": ["runtime", "targets"]},
        "if": {"required": ["evaluate"]},
        "then": {"properties": _own_trainer()},
        "else": {"required": ["data", "baseline"], "properties": _stages(build)},
    }


_BRANCHED = (
    "data",
    "baseline",
    "teachers",
    "space",
    "runtime",
    "targets",
    "objectives",
    "quantities",
)
"""The sections that differ between the built-in stages and the user's own trainer."""

_FUNCTIONS = {
    "evaluate": "your own trainer, which replaces the built-in stages: "
    '"pkg.mod:function", called with (plan, report)',
    "cheap": "computes quantities before training, only with evaluate: "
    '"pkg.mod:function", called with (plan)',
}


def _bounds(description: str) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string"},
        "description": description,
        "default": [],
    }


def _search(build: _Builder) -> Schema:
    """The section `search`."""
    options: Schema = {
        name: {"type": ["object", "null"], "description": f"options of Optuna's sampler {name}"}
        for name in SAMPLER_NAMES
    }
    for name in ("thompson", "evolution"):
        record = build.record(SAMPLER_OPTIONS[name], searched=False)
        about = (SAMPLER_OPTIONS[name].__doc__ or "").splitlines()[0]
        options[name] = {**_or_null(record), "description": about}
    options["auto"] = {
        "type": ["object", "null"],
        "description": "options of auto, and of Optuna's TPE sampler",
        "properties": build.properties(AutoParams, searched=False),
    }
    sampler = {
        "anyOf": [
            {"enum": list(SAMPLER_NAMES)},
            {
                **_object(options, "a sampler with its options"),
                "maxProperties": 1,
                "minProperties": 1,
            },
        ],
        "description": "how trials are proposed: a sampler, or {sampler: options}",
        "default": "auto",
    }
    racing = {
        "anyOf": [build.record(RacingParams, searched=False), {"type": "null"}],
        "description": "compare trials while they train, and pause the worse ones; null: each "
        "trains to its end",
        "default": None,
    }
    plain = build.properties(SearchParams, searched=False)
    return _object({"sampler": sampler, "racing": racing, **plain}, "how the space is searched")


def _stages(build: _Builder) -> Schema:
    """The sections of a study of the built-in stages."""
    return {
        "cheap": False,
        "quantities": False,
        "data": {
            **build.option(DATASETS, searched=False),
            "description": "the data set: a name, or {name: options}",
        },
        "baseline": _network(build)
        | {"description": "your model as it is now, trial 0: all others are compared with it"},
        "teachers": {
            "type": "object",
            "description": "networks that a distillation may learn from, apart from the baseline: "
            "{name: network}",
            "propertyNames": {"not": {"const": BASELINE}},
            "additionalProperties": {"anyOf": [_network(build), _AVERAGE]},
        },
        "space": _object(
            {
                "architecture": {
                    **build.option(ARCHITECTURES),
                    "description": "the network; the baseline's if left out",
                },
                "pretrain": {
                    **build.record(Recipe),
                    "description": "recipe of the first training; the baseline's if left out",
                },
                "pruning": {
                    **build.option(PRUNINGS),
                    "description": "how the trained network is pruned",
                    "default": "none",
                },
                "distillation": {
                    **build.option(DISTILLATIONS),
                    "description": "how a training learns from a teacher",
                    "default": "none",
                },
                "finetune": {
                    **build.record(Recipe),
                    "description": "recipe of the training after pruning; none if left out",
                },
                "quantization": {
                    **build.option(QUANTIZATIONS),
                    "description": "number format of the deployed network",
                    "default": "none",
                },
            },
            "what may change: fixed values, or domains (choice, float, int)",
        ),
        "runtime": {
            **build.option(RUNTIMES, searched=False),
            "description": "where candidates are deployed and measured: a runtime, or {runtime: "
            "options}",
            "default": "onnxruntime",
        },
        "targets": {
            "type": "object",
            "description": "several deployments instead of one runtime, {name: runtime}; "
            "latency@NAME is the latency on one of them",
            "minProperties": 1,
            "propertyNames": {"pattern": TARGET.pattern},
            "additionalProperties": build.option(RUNTIMES, searched=False),
        },
        "objectives": _object(
            {name: _objective(build, name) for name in units()},
            "what is measured and optimized: {accuracy: maximize, latency: {minimize: p50}}",
        )
        | {
            "minProperties": 1,
            "additionalProperties": False,
            "patternProperties": {r"^[\w.]+:[\w.@]+$": {}, **_targeted(build)},
        },
    }


def _targeted(build: _Builder) -> Schema:
    """Objectives for one target, by pattern: `latency@phone`."""
    names = [name for name in units() if of_artifact(Quantity.of(name).entry())]
    target = TARGET.pattern.removeprefix("^")
    return {f"^{re.escape(name)}@{target}": _objective(build, name) for name in names}


def _own_trainer() -> Schema:
    """The sections of a study with `evaluate`; the names and keys in them are the user's."""
    unit = {
        "type": ["string", "null"],
        "description": "unit: ms, fraction, bytes, or any other; none if null",
        "default": None,
    }
    worst = {
        "type": "number",
        "description": "value from which on a trial adds nothing to the hypervolume; derived from "
        "the baseline if left out",
    }
    direction = [
        _object({name: unit, "worst": worst}, f"{name}: UNIT", [name])
        for name in ("minimize", "maximize")
    ]
    return {
        **{section: False for section in BUILT_IN},
        "baseline": {
            "type": ["object", "null"],
            "description": "trial 0: one complete plan of fixed values; no baseline if left out",
        },
        "space": {
            "type": "object",
            "description": "the parameters of your trainer: fixed values, or domains (choice, "
            "float, int)",
        },
        "objectives": {
            "type": "object",
            "description": "what your trainer returns and the search optimizes: {error: {minimize: "
            "fraction}}",
            "minProperties": 1,
            "propertyNames": {"pattern": NAME.pattern},
            "additionalProperties": {"anyOf": [{"enum": ["minimize", "maximize"]}, *direction]},
        },
        "quantities": {
            "type": ["object", "null"],
            "description": "what your trainer also returns, for constraints, {name: unit}: "
            "{memory: bytes}",
            "propertyNames": {"pattern": NAME.pattern},
            "additionalProperties": unit,
        },
    }


def _network(build: _Builder) -> Schema:
    return _object(
        {
            "architecture": {
                **build.option(ARCHITECTURES, searched=False),
                "description": "the network: a name, or {name: options}",
            },
            "checkpoint": {
                "type": "string",
                "description": ".safetensors or .pt file with its weights; relative to the study "
                "file",
            },
            "pretrain": {
                **build.record(Recipe, searched=False),
                "description": "recipe of its training; not trained if left out",
            },
        },
        "a network with its weights: trained first, read from a checkpoint, or downloaded",
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


def _objective(build: _Builder, name: str) -> Schema:
    """An objective, or a further value of one, with the options of its measurement."""
    quantity = Quantity.of(name)
    entry, spec = quantity.entry(), quantity.spec()
    direction = "minimize" if spec.better == "lower" else "maximize"
    fields = build.properties(entry.Params, searched=False)
    statistic = fields.pop("statistic", None)
    if statistic is None or quantity.value is not None:
        statistic = {"type": "null", "description": "no statistic to choose", "default": None}
    return {
        "description": f"{spec.about} [{spec.unit}]",
        "anyOf": [
            {"const": direction},
            _object({direction: statistic, **fields}, spec.about, [direction]),
        ],
    }


class _Builder:
    """Builds each table's, Params' and domain's schema once, as a definition to refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def option(self, table: Table, searched: bool = True) -> Schema:
        """Returns the schema of one option of a table; if `searched`, also of a choice of them."""
        return self._defined(table.kind, searched, lambda: self._option(table, searched))

    def record(self, params: type[BaseModel], searched: bool = True) -> Schema:
        """Returns the schema of a mapping of parameters; if `searched`, they may be domains."""
        name = f"{params.__module__}.{params.__qualname__}"
        return self._defined(name, searched, lambda: self._record(params, searched))

    def _defined(self, name: str, searched: bool, make: Callable[[], Schema]) -> Schema:
        key = name.replace(" ", "_") + ("" if searched else ".fixed")
        if key not in self.definitions:
            self.definitions[key] = {}  # reserves the name while its parts are made
            self.definitions[key] = make()
        return {"$ref": f"#/$defs/{key}"}

    def _option(self, table: Table, searched: bool) -> Schema:
        single = self._spellings(table, searched)
        if not searched:
            return {"anyOf": single}
        about = f"one of several: each {table.kind} with its parameters"
        choice = {
            "description": about,
            "anyOf": [
                {**self._branches(table), "minProperties": 1},
                {"type": "array", "minItems": 1, "items": {"anyOf": single}},
            ],
        }
        return {"anyOf": [*single, _object({"choice": choice}, about, ["choice"])]}

    def _spellings(self, table: Table, searched: bool) -> list[Schema]:
        """The spellings of one option: a name, {name: ...}, {name: primary, other: ...}."""
        bare = [name for name in table.names if not _required(table.get(name).Params)]
        about = "; ".join(f"{name}: {first_line(table.get(name))}" for name in bare)
        spellings: list[Schema] = [{"enum": bare, "description": about}]
        for name in table.names:
            entry = table.get(name)
            about = first_line(entry)
            record = {**_or_null(self.record(entry.Params, searched)), "description": about}
            spellings.append(_object({name: record}, about, [name]))
            primary = getattr(entry, "primary", None)
            if primary is not None:
                rest = self.properties(entry.Params, searched)
                spelled = {name: rest.pop(primary), **rest}
                spellings.append(_object(spelled, about, [name]))
        return spellings

    def _branches(self, table: Table) -> Schema:
        records = {
            name: {
                **_or_null(self.record(table.get(name).Params)),
                "description": first_line(table.get(name)),
            }
            for name in table.names
        }
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": records,
            "patternProperties": {r"^[\w.]+:[\w.]+$": {}},
        }

    def _record(self, params: type[BaseModel], searched: bool) -> Schema:
        about = (params.__doc__ or "").splitlines()[0]
        return _object(self.properties(params, searched), about, _required(params) or None)

    def properties(self, params: type[BaseModel], searched: bool) -> Schema:
        """Returns name -> schema of the parameters, each with its description and default."""
        return {
            name: {**self._field(info, searched), **_about(info)}
            for name, info in params.model_fields.items()
        }

    def _field(self, info: FieldInfo, searched: bool) -> Schema:
        slot, nested = slot_of(info), nested_of(info)
        if slot is not None:
            return self.option(slot.table, searched)
        if nested is not None:
            return self.record(nested, searched)
        leaf = TypeAdapter(info.rebuild_annotation()).json_schema()
        self._fill_lists(leaf, item_of(info), searched)
        if not searched:
            return leaf
        if not takes_mapping(info):
            return self._searched(leaf)
        if leaf.get("additionalProperties") is True:
            return leaf
        every = self._searched(leaf["additionalProperties"])
        domains = every["anyOf"][1:]  # one domain for each layer
        return {"anyOf": [*domains, {"type": "object", "additionalProperties": every}]}

    def _fill_lists(self, leaf: Schema, item: Any, searched: bool) -> None:
        """Replaces the schema of a list's items by parameters, or by a literal or domain."""
        leaf.pop("$defs", None)
        for one in leaf.get("anyOf", [leaf]):
            if one.get("type") != "array" or item is None:
                continue
            if isinstance(item, type) and issubclass(item, BaseModel):
                one["items"] = self.record(item, searched)
            elif searched:
                one["items"] = self._searched(one["items"])

    def _searched(self, literal: Schema) -> Schema:
        """A literal, or a domain of it."""
        kinds = {one.get("type") for one in literal.get("anyOf", [literal])}
        values = {
            "type": "array",
            "description": "the values to choose from",
            "minItems": 1,
            "items": literal,
        }
        options = [literal, _object({"choice": values}, "one of these values", ["choice"])]
        if "number" in kinds:
            options.append(self._range("float", "number"))
        if kinds & {"integer", "number"}:
            options.append(self._range("int", "integer"))
        return {"anyOf": options}

    def _range(self, kind: str, number: str) -> Schema:
        """A domain of numbers."""
        ends = {
            "type": "array",
            "description": "[low, high], both included",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": number},
        }
        log = {
            "type": "boolean",
            "description": "search the logarithm of the number; low must be above 0",
            "default": False,
        }
        step = {
            "type": number,
            "description": "distance between the values; it must lead from low to high",
            "exclusiveMinimum": 0,
        }
        domain = _object(
            {kind: ends, "log": log, "step": step}, f"{kind}: a {number} from a range", [kind]
        )
        return self._defined(f"domain.{kind}", True, lambda: domain)


def _about(info: FieldInfo) -> Schema:
    """The description of a field, and its default if it has one."""
    slot = slot_of(info)
    text = info.description or (f"a {slot.table.kind}, or {{name: options}}" if slot else "")
    about: Schema = {"description": text} if text else {}
    return about if info.is_required() else {**about, "default": default_of(info)}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _required(params: type[BaseModel]) -> list[str]:
    return [name for name, info in params.model_fields.items() if info.is_required()]
