"""The reference of study files, docs/study-file.md, generated from their JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paretune.search.study.elastic import ELASTIC
from paretune.search.study_file.schema import TASK_METRICS, study_schema, task_metrics
from paretune.search.study_file.schema_builder import Schema

EXAMPLES = {
    "study": "study: plates",
    "task": "task: {segmentation: {ignore: 255}}",
    "data": (
        "data: {images: photos, resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], "
        "std: [0.229, 0.224, 0.225]}"
    ),
    "baseline": (
        "baseline:\n"
        "  architecture: {torchvision: mobilenet_v2, weights: DEFAULT}\n"
        "  pretrain: {epochs: 3, optimizer: {adam: {lr: 1e-3}}}"
    ),
    "teachers": (
        "teachers:\n"
        "  big: {architecture: {resnet: {width: 64}}, pretrain: {epochs: 30}}\n"
        "  both: {average: [baseline, big]}"
    ),
    "space": (
        "space:\n"
        "  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.8]}}}}\n"
        "  quantization: {choice: [none, dynamic, static]}\n"
        "  finetune: {epochs: 5, optimizer: {adamw: {lr: {float: [1e-4, 1e-2], log: true}}}}"
    ),
    "runtime": "runtime: {onnxruntime: {threads: 2}}",
    "targets": "targets: {phone: {executorch: {}}, server: {onnxruntime: {threads: 2}}}",
    "objectives": "objectives: {accuracy: maximize, latency: {minimize: p90}, size: minimize}",
    "constraints": 'constraints: ["accuracy >= baseline - 1%", "size <= 1 MB"]',
    "goals": 'goals: ["latency <= 0.5 x baseline"]',
    "search": "search: {trials: 60, sampler: tpe, seed: 7}",
    "first": (
        "first:\n"
        "  - {pruning: {structured: {ratio: 0.4}}, quantization: static}\n"
        "  - {finetune.optimizer.adamw.lr: 1e-3}"
    ),
    "prior": (
        "prior: {pruning.structured.ratio: 0.4 +- 0.1, finetune.optimizer.adamw.lr: 1e-3 x/ 3, "
        "quantization: {static: 3, none: 1}}"
    ),
    "budget": "budget: {time: 2h, final: 30s}",
    "storage": "storage: postgresql://me@dbhost/plates",
    "files": "files: s3://bucket/plates",
    "resources": "resources: {train: {cpu: 4, gpu: 1}, measure: {cpu: 1, host: bench-box}}",
    "track": "track: {mlflow: {uri: http://localhost:5000, experiment: plates}}",
    "device": "device: cuda",
}
"""Section of a study with built-in stages -> one example."""

TRAINER_EXAMPLES = {
    "evaluate": 'evaluate: "mine:train"',
    "cheap": 'cheap: "mine:count"',
    "baseline": "baseline: {depth: 4, lr: 1e-3}",
    "space": "space: {depth: {int: [1, 8]}, lr: {float: [1e-4, 1e-1], log: true}}",
    "objectives": "objectives: {error: {minimize: fraction}, latency: {minimize: ms, worst: 20}}",
    "quantities": "quantities: {memory: bytes}",
}
"""Section of a study with your own trainer -> one example."""

NOTES = {
    "targets": (
        "`device` beside a runtime names the board or phone that measures its files: "
        '`{onnxruntime: {threads: 4}, device: "ssh://pi@cam", sustained: 60s}`. `sustained` adds '
        "`latency.sustained`, and `scores: device` takes all scores of the device's outputs. The "
        "keys stand beside that of `runtime`, too: [Measure on a phone or board](devices.md)."
    ),
    "first": (
        "They count as trials. Each is tried once, also with several workers and after an "
        "interruption. Entries that you add later are tried next. A parameter of a branch implies "
        "the option that it belongs to. An entry whose plan has a trial already is skipped."
    ),
    "prior": (
        "`0.4 +- 0.1` is a normal distribution, `1e-3 x/ 3` one of the logarithm: mostly from "
        "1e-3 / 3 to 1e-3 x 3. A number alone spreads over 15 % of its domain. A quarter of each "
        "parameter's draws stays uniform. For `auto` and `thompson`, the expected gain is "
        "multiplied by the density to the power 3/n after n trials (piBO). For `tpe`, `gp`, "
        "`nsga2` and `nsga3`, the first 10 trials are drawn from the beliefs. `evolution` draws "
        "from them, later more rarely. `random`, `qmc` and `grid` refuse `prior`. It may change "
        "between two runs."
    ),
    "files": (
        "A file is named by the SHA-256 of its content, and compared with it before it is used. "
        "Credentials come from the environment: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, "
        "or `AWS_PROFILE`; a server of your own also needs `AWS_ENDPOINT_URL`. A study file with a "
        "secret in it is refused. Other file systems take theirs by "
        "`{url: sftp://me@box/study, options: {password: env:BOX_PASSWORD}}`. `search.cache` "
        "bounds the copies on each host. The store itself is not bounded. With `evaluate` the "
        "section has no effect: your own trainer keeps its files itself."
    ),
}
"""Section -> text below its table."""

ELASTIC_TEXT = (
    "`space: {architecture: {elastic: {...}}}` trains one network so that its subnets share its "
    "weights. Trials cut subnets out, and all stages after `pretrain` apply to them as to any "
    "network. The keys of a [training recipe](#training-recipes) stand beside these; `epochs` is "
    "required. The parameters of the space are `architecture.elastic.width`, `.depth` and "
    "`.resolution`; with `groups: 3` they are `.width.1` to `.width.3`. A distillation may name "
    "the full network after the elastic training as its teacher: `{logits: {teacher: elastic}}`. "
    "[Elastic training](elastic.md) shows a study."
)
ELASTIC_EXAMPLE = (
    "space:\n"
    "  architecture:\n"
    "    elastic: {of: baseline, width: [0.25, 1], depth: [0.5, 1], epochs: 20}"
)

INTRODUCTION = Path(__file__).with_name("reference_intro.md")
PREPARATION = Path(__file__).with_name("reference_data.md")
"""Text below the options of `data`."""

TABLES = {
    "task": ("task.fixed",),
    "data": ("data_set.fixed",),
    "space": (
        "architecture",
        "pruning",
        "distillation",
        "quantization",
        "optimizer",
        "schedule",
        "loss",
    ),
    "runtime": ("runtime.fixed",),
}
"""Section -> definitions; their options are listed below the section."""

RECIPE = "paretune.spaces.training.recipe.Recipe"


def reference() -> str:
    """Returns the page."""
    return "\n".join(_Page(study_schema()).lines()).rstrip() + "\n"


class _Page:
    """Writes the schema as Markdown.

    Args:
        schema: The schema of a study file.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Schema] = schema["$defs"]

    def lines(self) -> Iterator[str]:
        """Returns the lines of the page."""
        yield INTRODUCTION.read_text(encoding="utf-8")
        top = self._schema["properties"]
        stages, trainer = (self._schema[part]["properties"] for part in ("else", "then"))
        required = {*self._schema["required"], *self._schema["else"]["else"]["required"]}
        names = [name for name in top if name not in ("evaluate", "cheap", "quantities")]
        for name in names:
            yield from self._section(name, stages.get(name) or top[name], name in required)
        yield "## Your own trainer\n"
        yield (
            "With `evaluate`, your function trains and measures; the built-in stages do not run. "
            "See [own-code.md](own-code.md).\n"
        )
        for name in ("evaluate", "cheap", "baseline", "space", "objectives", "quantities"):
            yield from self._section(name, trainer.get(name) or top[name], False, trainer=True)

    def _section(
        self, name: str, schema: Schema, required: bool, trainer: bool = False
    ) -> Iterator[str]:
        resolved = self._resolved(schema)
        yield f"{'###' if trainer else '##'} `{name}`\n"
        about: str = schema.get("description") or resolved["description"]
        facts = [f"{about[0].upper()}{about[1:]}."]
        facts += ["Required."] if required else []
        default = _default(schema)
        facts += [f"Default: {default}."] if default else []
        yield " ".join(facts) + "\n"
        example = TRAINER_EXAMPLES[name] if trainer else EXAMPLES[name]
        yield f"```yaml\n{example}\n```\n"
        if name == "objectives" and not trainer:
            yield from self._objectives(resolved)
        elif resolved.get("properties"):
            yield from self._table(resolved)
        elif not trainer and "$ref" not in schema:
            yield f"Type: {self._type(schema)}.\n"
        if trainer:
            return
        if name == "baseline":
            yield "The options of an architecture are listed under [`space`](#space).\n"
        if name == "space":
            yield "### Training recipes\n"
            yield "Keys of `pretrain`, `finetune`, `between` of pruning, and `qat`.\n"
            yield from self._table(self._definitions[RECIPE])
            yield from self._elastic()
        if name == "search":
            yield from self._samplers(resolved)
        if name in NOTES:
            yield f"{NOTES[name]}\n"
        for table in TABLES.get(name, ()):
            yield from self._options(table)
        if name == "data":
            yield PREPARATION.read_text(encoding="utf-8")

    def _elastic(self) -> Iterator[str]:
        """Returns the options of an elastic architecture, without those of its training."""
        record, recipe = self._definitions[ELASTIC], self._definitions[RECIPE]
        yield "### Elastic architectures\n"
        yield f"{ELASTIC_TEXT}\n"
        yield f"```yaml\n{ELASTIC_EXAMPLE}\n```\n"
        own = {k: v for k, v in record["properties"].items() if k not in recipe["properties"]}
        yield from self._table({**record, "properties": own})

    def _objectives(self, schema: Schema) -> Iterator[str]:
        """Returns one row per objective with the options of its measurement, and per score."""
        yield "| objective | direction | meaning | options |\n|---|---|---|---|"
        for name, entry in schema["properties"].items():
            if name in TASK_METRICS:
                continue
            const, mapping = entry["anyOf"]
            direction = const["const"]
            options = [
                f"`{key}`: {self._type(value)}{_defaulted(value)}; {value['description']}"
                for key, value in mapping["properties"].items()
                if key != direction
            ]
            statistic = mapping["properties"][direction]
            if statistic.get("enum"):
                options.insert(0, f"`{direction}`: {self._type(statistic)}{_defaulted(statistic)}")
            meaning = _cell(entry["description"])
            yield f"| `{name}` | {direction} | {meaning} | {_cell('<br>'.join(options))} |"
        yield (
            '\nYour own objective is named by dotted path: `"pkg.mod:Class": minimize`. With '
            "several targets, `latency@phone` is the latency on `phone`.\n"
        )
        yield "### Scores of tasks\n"
        yield (
            "Objectives of a study with a [`task`](#task), measured on the deployed file. "
            "`accuracy` is that of `classification`. The scores of your own task have the names "
            "that its `score` returns: `{dice3d: maximize}`, or `{gap: {minimize: mm}}` with a "
            "unit. `{rmse: {minimize: mm}}` works, too.\n"
        )
        yield "| task | score | direction | meaning |\n|---|---|---|---|"
        for task, metrics in task_metrics().items():
            for name, metric in metrics.items():
                direction = "minimize" if metric.better == "lower" else "maximize"
                unit = metric.unit or "no unit"
                yield f"| `{task}` | `{name}` | {direction} | {_cell(metric.about)} [{unit}] |"
        yield ""

    def _samplers(self, schema: Schema) -> Iterator[str]:
        """Returns the options of Paretune's own samplers."""
        yield "### Options of `sampler`\n"
        yield (
            "`paretune list samplers` describes each sampler. Options of Optuna's samplers are the "
            "arguments of Optuna's classes.\n"
        )
        for name, sampler in schema["properties"]["sampler"]["anyOf"][1]["properties"].items():
            record = self._resolved(sampler)
            if record.get("properties"):
                yield f"**`{name}`**\n"
                yield from self._table(record)

    def _options(self, definition: str) -> Iterator[str]:
        """Returns the options of a table, each with its parameters."""
        kind = definition.partition(".")[0].replace("_", " ")
        yield f"### Options of `{kind}`\n"
        for spelling in self._definitions[definition]["anyOf"]:
            [*names] = spelling.get("properties", {})
            if len(names) != 1 or names == ["choice"]:
                continue  # the spelling without parameters, with a primary one, or a choice
            record = self._resolved(spelling["properties"][names[0]])
            yield f"**`{names[0]}`**: {spelling['description']}\n"
            if record.get("properties"):
                yield from self._table(record)

    def _table(self, record: Schema) -> Iterator[str]:
        yield "| key | type and range | default | meaning |\n|---|---|---|---|"
        required = record.get("required", [])
        yield from self._rows(record["properties"], required, "")
        yield ""

    def _rows(
        self, properties: Mapping[str, Schema], required: list[str], prefix: str
    ) -> Iterator[str]:
        for key, schema in properties.items():
            default = "required" if key in required else _default(schema)
            about = _cell(schema.get("description", ""))
            name = f"{prefix}{key}"
            yield f"| `{name}` | {_cell(self._type(schema))} | {_cell(default)} | {about} |"
            if str(_literal(schema).get("$ref")).removesuffix(".fixed").endswith(RECIPE):
                continue
            nested = self._resolved(_literal(schema))
            items = _items(nested)
            if items is not None and self._resolved(items).get("properties"):
                item = self._resolved(items)
                yield from self._rows(item["properties"], item.get("required", []), f"{name}.N.")
            elif nested.get("properties") and "anyOf" not in nested and not _is_option(nested):
                inner = nested["properties"]
                yield from self._rows(inner, nested.get("required", []), f"{name}.")

    def _resolved(self, schema: Schema) -> Schema:
        """Returns the schema behind a reference, also one that may be null."""
        alternatives = [s for s in schema.get("anyOf", ()) if s.get("type") != "null"]
        if len(alternatives) == 1:
            return self._resolved(alternatives[0])
        if "$ref" in schema:
            return self._definitions[schema["$ref"].rpartition("/")[2]]
        return schema

    def _type(self, schema: Schema) -> str:
        """Returns the type and range in words: `integer in [1, 64], or list`."""
        schema = _literal(schema)
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2].removesuffix(".fixed")
            if name == RECIPE:
                return "[training recipe](#training-recipes)"
            if "." not in name:
                return f"{name.replace('_', ' ')}: a name, or `{{name: parameters}}`"
            return "mapping"
        if "anyOf" in schema:
            texts = [self._type(s) for s in schema["anyOf"] if s.get("type") != "null"]
            return ", or ".join(dict.fromkeys(texts)) or "nothing"
        if "const" in schema:
            return f"`{_plain(schema['const'])}`"
        if "enum" in schema:
            return ", ".join(f"`{_plain(value)}`" for value in schema["enum"])
        kind: Any = schema.get("type", "any value")
        if isinstance(kind, list):
            kind = " or ".join(k for k in kind if k != "null")
        words = {"object": "mapping", "array": "list"}
        text = words.get(str(kind), str(kind)) + _range(schema)
        items = schema.get("items")
        if kind == "array" and items:
            inner = self._type(items)
            text += "" if inner == "mapping" else f" of {inner}"
        return text


def _literal(schema: Schema) -> Schema:
    """Returns the schema of a fixed value, without the domains that `space` also takes."""
    alternatives = [
        s
        for s in schema.get("anyOf", ())
        if not ("choice" in s.get("properties", {}) or str(s.get("$ref")).find("/domain.") >= 0)
    ]
    if not alternatives:
        return schema
    kept = {key: value for key, value in schema.items() if key != "anyOf"}
    return (
        {**kept, **alternatives[0]} if len(alternatives) == 1 else {**kept, "anyOf": alternatives}
    )


def _items(schema: Schema) -> Schema | None:
    """Returns the schema of a list's items."""
    for part in (schema, *schema.get("anyOf", ())):
        if part.get("type") == "array":
            items: Schema | None = part.get("items")
            return items
    return None


def _is_option(schema: Schema) -> bool:
    """Returns whether a mapping picks one of several names, which other sections list."""
    return schema.get("maxProperties") == 1


def _range(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    if high is None:
        return f" {'>' if 'exclusiveMinimum' in schema else '>='} {low:.7g}"
    if low is None:
        return f" {'<' if 'exclusiveMaximum' in schema else '<='} {high:.7g}"
    left = "(" if "exclusiveMinimum" in schema else "["
    right = ")" if "exclusiveMaximum" in schema else "]"
    return f" in {left}{low:.7g}, {high:.7g}{right}"


def _default(schema: Schema) -> str:
    """Returns the default in the form of a study file; empty if it is missing, or a recipe."""
    value = schema.get("default")
    if value is None:
        return ""
    text = _plain(value)
    return f"`{text}`" if len(text) <= 60 else "see there"


def _defaulted(schema: Schema) -> str:
    default = _default(schema)
    return f", default {default}" if default else ""


def _plain(value: Any) -> str:
    """Returns a value as YAML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    """Returns a text for a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
