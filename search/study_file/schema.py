"""The JSON Schema of a study file, generated from the tables and Params that also check it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from paretune.objectives.metrics import (
    DETECTION,
    LANGUAGE,
    MULTILABEL,
    REGRESSION,
    SEGMENTATION,
)
from paretune.search.data import DATASETS
from paretune.search.study.elastic import ELASTIC
from paretune.search.study.quantity import Quantity, depends_on_artifact, units
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.resource_options import MeasureResources, TrainResources
from paretune.search.study.sampler_options import SAMPLER_OPTIONS, AutoParams
from paretune.search.study.tables import RUNTIMES, SAMPLER_NAMES
from paretune.search.study.tracker_options import TRACKER_OPTIONS
from paretune.search.study_file.elastic_section import OVERRIDDEN, ElasticParams
from paretune.search.study_file.loading import StudyParams
from paretune.search.study_file.networks import AVERAGE
from paretune.search.study_file.schema_builder import (
    Schema,
    SchemaBuilder,
    object_schema,
    or_null,
)
from paretune.search.study_file.search_and_budget import BudgetParams, SearchParams
from paretune.search.study_file.target_devices import TargetDeviceParams
from paretune.search.study_file.targets import NAME as TARGET
from paretune.search.study_file.task_metrics import NAME as SCORE_NAME
from paretune.search.study_file.trainer_section import BUILT_IN, FUNCTION, NAME
from paretune.search.tasks import CLASSIFICATION, TASKS, brings_data
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import BASELINE
from paretune.spaces.elastic.spec import ElasticDepth, ElasticSpec
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.training.recipe import Recipe
from paretune.task import Metric

TASK_METRICS: Mapping[str, Metric] = {
    **MULTILABEL,
    **REGRESSION,
    **SEGMENTATION,
    **DETECTION,
    **LANGUAGE,
}
"""The scores of the built-in tasks; classification has the objective `accuracy`."""

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
_UNIT: Schema = {
    "type": ["string", "null"],
    "description": "unit: ms, fraction, bytes, or any other; none if null",
    "default": None,
}
_TARGET = TARGET.pattern.removeprefix("^")
_STORAGE: Schema = {
    "type": "string",
    "description": "database of the study: sqlite (a file in the study's folder), sqlite:///FILE "
    "or postgresql://USER@HOST/DATABASE",
    "default": "sqlite",
}
_FILES: Schema = {
    "description": "store of the study's files, which several hosts reach: s3://bucket/study, a "
    "path of a shared folder, or any other URL of fsspec. Trained stages, snapshots of trainings, "
    "deployed files and logs are kept there, and the study's folder has copies",
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["url"],
            "properties": {
                "url": {"type": "string", "minLength": 1, "description": "URL of a folder"},
                "options": {
                    "type": "object",
                    "description": "options of the fsspec file system; a secret is env:NAME, or "
                    "file:PATH",
                },
            },
        },
    ],
}
_FIRST: Schema = {
    "type": "array",
    "items": {"type": "object", "minProperties": 1},
    "description": "plans to try first, right after the baseline, as values of some parameters: "
    "`{pruning: {structured: {ratio: 0.4}}}`, or by name, `{pruning.structured.ratio: 0.4}`; the "
    "other parameters are drawn",
    "default": [],
}
_PRIOR: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["number", "string", "boolean", "object"]},
    "description": "where you expect good values, {parameter: belief}. A belief is a number with "
    "its spread (`0.4 +- 0.1`, `1e-3 x/ 3`), an option, or weights of options ({static: 3, none: "
    "1}). It counts in the first trials and fades",
    "default": {},
}
ELASTIC_ABOUT = "one network that is trained once, and whose subnets are trials"

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
    build = SchemaBuilder()
    schema = _study(build)
    return {**schema, "$defs": build.definitions}


def _study(build: SchemaBuilder) -> Schema:
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
            "first": _FIRST,
            "prior": _PRIOR,
            "budget": object_schema(
                {
                    "time": _TIME,
                    "final": _FINAL,
                    **build.properties(BudgetParams, searched=False),
                },
                "when a run ends",
            ),
            "storage": _STORAGE,
            "files": _FILES,
            "resources": _resources(build),
            "track": _track(build),
            "device": top["device"],
        },
        "not": {"required": ["runtime", "targets"]},
        "if": {"required": ["evaluate"]},
        "then": {"properties": _own_trainer()},
        "else": {
            "properties": _stages(build),
            "if": {"required": ["task"], "properties": {"task": _own_task()}},
            "then": {"properties": {"data": False}},
            "else": {
                "required": ["data", "baseline"],
                "properties": {
                    "baseline": {"description": "trial 0", "required": ["architecture"]},
                    "objectives": {
                        "description": "objectives, and scores of the task",
                        "propertyNames": {"anyOf": _objective_names()},
                    },
                    "quantities": False,
                },
            },
        },
    }


_BRANCHED = (
    "task",
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


def _track(build: SchemaBuilder) -> Schema:
    """Returns the schema of the section `track`."""
    options = {
        name: or_null(build.record(params, searched=False))
        for name, params in TRACKER_OPTIONS.items()
    }
    for name, params in TRACKER_OPTIONS.items():
        options[name]["description"] = (params.__doc__ or "").splitlines()[0]
    return object_schema(options, "the trackers that the study is logged to, {tracker: options}")


def _deployment(build: SchemaBuilder) -> Schema:
    """Returns the schema of a runtime, alone or with a device beside it."""
    keys = build.properties(TargetDeviceParams, searched=False)
    beside = {
        "type": "object",
        "description": "{runtime: options, device: address}: measured on a phone or board",
        "required": ["device"],
        "properties": keys,
        "minProperties": 2,
    }
    return {"anyOf": [build.option(RUNTIMES, searched=False), beside]}


def _resources(build: SchemaBuilder) -> Schema:
    """Returns the schema of the section `resources`."""
    kinds: dict[str, type[BaseModel]] = {"train": TrainResources, "measure": MeasureResources}
    options = {
        kind: or_null(build.record(params, searched=False)) for kind, params in kinds.items()
    }
    for kind, params in kinds.items():
        options[kind]["description"] = (params.__doc__ or "").splitlines()[0]
    return object_schema(options, "what `run --cluster` reserves for each kind of stage")


def _search(build: SchemaBuilder) -> Schema:
    """Returns the schema of the section `search`."""
    options: Schema = {
        name: {"type": ["object", "null"], "description": f"options of Optuna's sampler {name}"}
        for name in SAMPLER_NAMES
    }
    for name in ("thompson", "evolution"):
        record = build.record(SAMPLER_OPTIONS[name], searched=False)
        about = (SAMPLER_OPTIONS[name].__doc__ or "").splitlines()[0]
        options[name] = {**or_null(record), "description": about}
    options["auto"] = {
        "type": ["object", "null"],
        "description": "options of auto, and of Optuna's TPE sampler",
        "properties": build.properties(AutoParams, searched=False),
    }
    sampler = {
        "anyOf": [
            {"enum": list(SAMPLER_NAMES)},
            {
                **object_schema(options, "a sampler with its options"),
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
    return object_schema(
        {"sampler": sampler, "racing": racing, **plain}, "how the space is searched"
    )


def _stages(build: SchemaBuilder) -> Schema:
    """Returns the schemas of the sections of a study of the built-in stages."""
    return {
        "cheap": False,
        "quantities": {
            "type": ["object", "null"],
            "description": "scores of your own task that only constraints or goals name, {name: "
            "unit}: {gap: mm}",
            "propertyNames": {"pattern": SCORE_NAME.pattern},
            "additionalProperties": _UNIT,
        },
        "task": _task(build),
        "data": {
            **build.option(DATASETS, searched=False),
            "description": "the data set: a name, or {name: options}",
        },
        "baseline": _network(build, [])
        | {"description": "your model as it is now, trial 0: all others are compared with it"},
        "teachers": {
            "type": "object",
            "description": "networks that a distillation may learn from, apart from the baseline: "
            "{name: network}",
            "propertyNames": {"not": {"const": BASELINE}},
            "additionalProperties": {"anyOf": [_network(build), _AVERAGE]},
        },
        "space": object_schema(
            {
                "architecture": {
                    "anyOf": [build.option(ARCHITECTURES), *_elastic(build)],
                    "description": "the network; that of the baseline if left out",
                },
                "pretrain": {
                    **build.record(Recipe),
                    "description": "recipe of the first training; that of the baseline if left out",
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
            **_deployment(build),
            "description": "where candidates are deployed and measured: a runtime, or {runtime: "
            "options}; beside it a device",
            "default": "onnxruntime",
        },
        "targets": {
            "type": "object",
            "description": "several deployments instead of one runtime, {name: runtime}; "
            "latency@NAME is the latency on one of them",
            "minProperties": 1,
            "propertyNames": {"pattern": TARGET.pattern},
            "additionalProperties": _deployment(build),
        },
        "objectives": object_schema(
            {
                **{name: _objective(build, name) for name in units()},
                **{name: _score(name, metric) for name, metric in TASK_METRICS.items()},
            },
            "what is measured and optimized: {accuracy: maximize, latency: {minimize: p50}}",
        )
        | {
            "minProperties": 1,
            "additionalProperties": {
                "anyOf": [
                    {"enum": ["minimize", "maximize"]},
                    *(
                        object_schema({direction: _UNIT}, f"{direction}: UNIT", [direction])
                        for direction in ("minimize", "maximize")
                    ),
                ]
            },
            "patternProperties": {r"^[\w.]+:[\w.@]+$": {}, **_targeted(build)},
        },
    }


def _elastic(build: SchemaBuilder) -> list[Schema]:
    """Returns the schemas of an elastic architecture, alone or in a choice."""
    own = build.properties(ElasticParams, searched=False)
    of = {"anyOf": [{"const": BASELINE}, build.option(ARCHITECTURES, searched=False)]}
    pretrain = build.record(Recipe, searched=False)
    spec = build.properties(ElasticSpec, searched=False)
    shares = {"type": "array", "minItems": 2, "items": spec["width"]["anyOf"][0]["items"]}
    depth = build.record(ElasticDepth, searched=False)
    spec["depth"]["anyOf"] = [shares, depth, {"type": "null"}]
    for name, about in OVERRIDDEN.items():
        spec[name]["description"] = about
    spec["groups"]["default"] = 1
    properties = {
        "of": {**of, "description": own["of"]["description"]},
        **spec,
        "estimates": own["estimates"],
        "pretrain": {**pretrain, "description": own["pretrain"]["description"]},
        **build.properties(Recipe, searched=False),
    }
    build.definitions[ELASTIC] = object_schema(properties, ELASTIC_ABOUT, ["of", "epochs"])
    reference = {"$ref": f"#/$defs/{ELASTIC}", "description": ELASTIC_ABOUT}
    alone = object_schema({ELASTIC: reference}, ELASTIC_ABOUT, [ELASTIC])
    branch = {**alone, "additionalProperties": True}
    about = "several architectures, one of them elastic"
    listed = {"type": "array", "contains": alone, "items": {}}
    branches = {"description": about, "anyOf": [branch, listed]}
    return [alone, object_schema({"choice": branches}, about, ["choice"])]


def _score(name: str, metric: Metric) -> Schema:
    """Returns the schema of a score of a built-in task."""
    direction = "minimize" if metric.better == "lower" else "maximize"
    unit = {**_UNIT, "description": f"unit of {name}, such as mm, if it has one"}
    if metric.unit:
        unit = {"type": "null", "description": "no unit to choose", "default": None}
    about = f"{metric.about} [{metric.unit or 'no unit'}]"
    return {
        "description": about,
        "anyOf": [{"const": direction}, object_schema({direction: unit}, about, [direction])],
    }


def task_metrics() -> dict[str, Mapping[str, Metric]]:
    """Returns task -> its scores, of the built-in tasks that have some."""
    metrics = {name: TASKS.get(name).metrics for name in _built_in_tasks()}
    return {name: scores for name, scores in metrics.items() if scores}


def _built_in_tasks() -> list[str]:
    return [name for name in TASKS.names if not brings_data(TASKS.get(name))]


def _own_task() -> Schema:
    """Returns the schema of tasks that bring their own data, and scores of any name."""
    names = _built_in_tasks()
    options = [{"type": "object", "required": [name]} for name in names]
    about = "a task that brings its own data"
    return {"description": about, "not": {"anyOf": [{"enum": names}, *options]}}


def _objective_names() -> list[Schema]:
    """Returns the schemas of names of objectives, for built-in tasks."""
    names = [*units(), *TASK_METRICS]
    patterns = [r"^[\w.]+:[\w.@]+$", *(f"^{re.escape(name)}@{_TARGET}" for name in names)]
    return [{"enum": names}, *({"pattern": pattern} for pattern in patterns)]


def _task(build: SchemaBuilder) -> Schema:
    """Returns the schema of the task: a table's option, or the user's own by its dotted path."""
    path = {
        "type": "string",
        "pattern": FUNCTION.pattern,
        "description": "path of a class or function that returns the task",
    }
    factory = object_schema(
        {"factory": path, "args": {"type": "object", "description": "keyword arguments"}},
        "your own task, with arguments",
        ["factory"],
    )
    option = build.option(TASKS, searched=False)
    return {
        "anyOf": [option, path, factory],
        "description": "what the networks are trained and scored for: a task, {task: options}, or "
        'your own, "pkg.mod:Task"',
        "default": CLASSIFICATION,
    }


def _targeted(build: SchemaBuilder) -> Schema:
    """Returns name pattern -> schema of the objectives for one target, such as `latency@phone`."""
    names = [name for name in units() if depends_on_artifact(Quantity.of(name).entry())]
    return {
        **{f"^{re.escape(name)}@{_TARGET}": _objective(build, name) for name in names},
        **{f"^{re.escape(n)}@{_TARGET}": _score(n, m) for n, m in TASK_METRICS.items()},
    }


def _own_trainer() -> Schema:
    """Returns the sections of a study with `evaluate`; the user chooses their names and keys."""
    unit = _UNIT
    worst = {
        "type": "number",
        "description": "a trial with this value or a worse one adds nothing to the hypervolume; "
        "derived from the baseline if left out",
    }
    direction = [
        object_schema({name: unit, "worst": worst}, f"{name}: UNIT", [name])
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


def _network(build: SchemaBuilder, required: Sequence[str] = ("architecture",)) -> Schema:
    return object_schema(
        {
            "architecture": {
                **build.option(ARCHITECTURES, searched=False),
                "description": "the network: a name, or {name: options}",
            },
            "checkpoint": {
                "anyOf": [
                    {"type": "string"},
                    object_schema(
                        {
                            "file": {"type": "string", "description": "the file"},
                            "key": {
                                "type": "string",
                                "description": "keys that lead to the weights: ema, "
                                "state_dict.student",
                            },
                        },
                        "one of several sets of weights in a file",
                        ["file", "key"],
                    ),
                ],
                "description": "file with its weights (torch.save or .safetensors), relative to "
                "the study file; {file: net.pt, key: ema} picks one of several in a file",
            },
            "pretrain": {
                **build.record(Recipe, searched=False),
                "description": "recipe of its training; not trained if left out",
            },
        },
        "a network with its weights: trained first, read from a checkpoint, or downloaded",
        list(required),
    )


def _objective(build: SchemaBuilder, name: str) -> Schema:
    """Returns the schema of an objective, or of a further value, with its measuring options."""
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
            object_schema({direction: statistic, **fields}, spec.about, [direction]),
        ],
    }
