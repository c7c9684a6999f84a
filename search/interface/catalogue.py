"""The entries that a study file can name: one line, parameters and ranges of each."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter

from paretune.search.data import DATASETS
from paretune.search.study.quantity import further_values, unavailable_reason
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.study_file.space import item_of, nested_of, slot_of
from paretune.search.tasks import TASKS
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table, first_line
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.losses import LOSSES

TABLES: dict[str, tuple[Table, ...]] = {
    "tasks": (TASKS,),
    "architectures": (ARCHITECTURES,),
    "techniques": (PRUNINGS, DISTILLATIONS, QUANTIZATIONS),
    "objectives": (OBJECTIVES,),
    "runtimes": (RUNTIMES,),
    "data": (DATASETS,),
    "training": (OPTIMIZERS, SCHEDULES, LOSSES),
}


COSTS = {
    0: "from the model alone",
    1: "from the file",
    2: "by running it",
    3: "after training",
}
"""Value of an objective's `cost` -> how it is measured."""

LONG = 80
"""Default values of more characters are left out."""


def catalogue(kind: str) -> list[dict[str, Any]]:
    """Returns the entries of one kind.

    Each is {"kind", "name", "text", "parameters": {name: type, range and description}, ...}.
    """
    if kind == "samplers":
        from paretune.search.sampling.samplers import SAMPLERS

        return [
            {"kind": "sampler", "name": name, "text": info.text, "parameters": {}}
            for name, info in SAMPLERS.items()
        ]
    return [
        _entry(table, name) for table in TABLES[kind] for name in (*table.names, *table.plugins)
    ]


def catalogue_text(entries: list[dict[str, Any]]) -> str:
    """Returns the entries as text for the terminal."""
    lines = []
    kind = None
    width = max(len(entry["name"]) for entry in entries) + 2
    has_kinds = len({entry["kind"] for entry in entries}) > 1
    for entry in entries:
        if has_kinds and entry["kind"] != kind:
            kind = entry["kind"]
            lines.append(f"{kind}:")
        cost = f"; {entry['cost']}" if "cost" in entry else ""
        extra = f" [{entry['unit']}, {entry['better']} is better{cost}]" if "unit" in entry else ""
        unavailable = f" UNAVAILABLE: {entry['unavailable']}" if entry.get("unavailable") else ""
        lines.append(f"  {entry['name']:<{width}}{entry['text']}{extra}{unavailable}")
        if "quantizations" not in entry and entry.get("needs"):
            lines.append(f"  {'':<{width}}  needs {entry['needs']}")
        if "quantizations" in entry:
            modes = ", ".join(["float", *entry["quantizations"]])
            batch = "any batch" if entry["dynamic_batch"] else "batch 1"
            lines.append(f"  {'':<{width}}  {modes}; {batch}; needs {entry['needs']}")
        for name, text in entry.get("scores", {}).items():
            lines.append(f"  {'':<{width}}  score {name} {text}")
        for name, text in entry.get("values", {}).items():
            lines.append(f"  {'':<{width}}  {entry['name']}.{name} {text}")
        for name, text in entry["parameters"].items():
            lines.append(f"  {'':<{width}}  {name}: {text}")
    return "\n".join(lines)


def _entry(table: Table, name: str) -> dict[str, Any]:
    entry = table.get(name)
    content: dict[str, Any] = {
        "kind": table.kind,
        "name": name,
        "text": first_line(entry),
        "parameters": _parameters(entry.Params),
    }
    if hasattr(entry, "unit"):
        content |= {"unit": entry.unit, "better": entry.better}
        content["values"] = {
            value: f"[{spec.unit}, {spec.better} is better]: {spec.about}"
            for value, spec in further_values(entry).items()
        }
        content |= {
            "cost": COSTS[entry.cost],
            "needs": getattr(entry, "needs", ""),
            "unavailable": unavailable_reason(entry),
        }
    if hasattr(entry, "metrics"):
        content["scores"] = {
            score: f"[{metric.unit or 'no unit'}, {metric.better} is better]: {metric.about}"
            for score, metric in entry.metrics.items()
        }
    if hasattr(entry, "quantizations"):
        content |= {
            "unavailable": entry.unavailable(),
            "quantizations": list(entry.quantizations),
            "dynamic_batch": entry.dynamic_batch,
            "needs": entry.needs,
        }
    return content


def _parameters(params: type[BaseModel]) -> dict[str, str]:
    """Returns name -> type and range; parameters of a list's items are named `stages.N.width`."""
    texts: dict[str, str] = {}
    for name, info in params.model_fields.items():
        item, slot = item_of(info), slot_of(info)
        about = f": {info.description}" if info.description else ""
        if isinstance(item, type) and issubclass(item, BaseModel):
            texts[name] = f"list{about}"
            texts |= {f"{name}.N.{child}": text for child, text in _parameters(item).items()}
        elif slot is not None:
            texts[name] = f"one {slot.table.kind}{about}"
        elif nested_of(info) is not None:
            texts[name] = f"mapping{about}"
        else:
            field = TypeAdapter(info.rebuild_annotation()).json_schema()
            default = None if info.is_required() else info.get_default(call_default_factory=True)
            texts[name] = _describe({**field, "default": default, "description": info.description})
    return texts


def _describe(field: dict[str, Any]) -> str:
    """`number in (0, 4], default 1.0: multiplies the channels`."""
    options = field.get("anyOf", [field])
    kinds = [
        o["type"].replace("array", "list") + _bounds(o)
        for o in options
        if o.get("type") not in (None, "null")
    ]
    kind = " or ".join(kinds) or "value"
    if "enum" in field:
        kind = " | ".join(map(str, field["enum"]))
    elif "const" in field:
        kind = str(field["const"])
    default = "" if field.get("default") is None else f", default {field['default']}"
    if len(default) > LONG:  # a whole training recipe
        default = ""
    about = f": {field['description']}" if field.get("description") else ""
    return f"{kind}{default}{about}"


def _bounds(field: dict[str, Any]) -> str:
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    if low is None and high is None:
        return ""
    opening = "(" if "exclusiveMinimum" in field or low is None else "["
    closing = ")" if "exclusiveMaximum" in field or high is None else "]"
    left = "-inf" if low is None else f"{low:.7g}"
    right = "inf" if high is None else f"{high:.7g}"
    return f" in {opening}{left}, {right}{closing}"
