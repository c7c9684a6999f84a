"""A plan in a few words: `simple_cnn width 0.5 · pruned 45 % · distilled · static int8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

QUIET = {"stem", "args", "weights"}
"""Parameters of an architecture that are shown only when they say something."""


def plan_text(plan: Sequence[Mapping[str, Any]]) -> str:
    """A plan (as JSON) in a few words."""
    texts = [_stage_text(stage["kind"], stage["params"]) for stage in plan]
    lessons = [_lesson_text(stage["params"]) for stage in plan]
    said = [text for both in zip(texts, lessons, strict=True) for text in both if text]
    return " · ".join(dict.fromkeys(said))  # of a lesson in several stages the first


def _stage_text(kind: str, params: Mapping[str, Any]) -> str:
    match kind:
        case "pretrain":
            [(name, options)] = params["architecture"].items()
            return architecture_text(name, options)
        case "prune":
            [(_, options)] = params["pruning"].items()
            ratio = options.get("ratio")
            return f"pruned {100 * ratio:.0f} %" if ratio is not None else "pruned"
        case "evaluate":
            return " ".join(_words(params))
        case "quantize":
            [(name, _)] = params["quantization"].items()
            return f"{name} int8"
        case _:
            return ""


def _lesson_text(params: Mapping[str, Any]) -> str:
    """How a stage learns from a teacher: `distilled by hints from big`."""
    if not params.get("distillation"):
        return ""
    [(name, options)] = params["distillation"].items()
    how = "" if name == "logits" else f" by {name}"
    who = f" from {options['teacher']}" if options.get("teacher") else ""
    return f"distilled{how}{who}"


def _words(params: Mapping[str, Any]) -> list[str]:
    """The choices of a trainer of one's own: `lr 0.01 optimizer sgd momentum 0.9`."""
    found = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            [*inner] = value
            taken = len(inner) == 1 and isinstance(value[inner[0]], Mapping)
            found += [f"{name} {inner[0]}", *_words(value[inner[0]])] if taken else _words(value)
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            found.append(f"{name} {shown}")
    return found


def architecture_text(name: str, options: Mapping[str, Any]) -> str:
    """An architecture with its options in a few words."""
    if name == "torchvision":
        name = str(options.get("name"))
        options = {k: v for k, v in options.items() if k != "name"}
    if name == "python":
        return str(options.get("factory"))
    shown = [
        f"{k} {v:g}" if isinstance(v, int | float) else f"{k} {v}"
        for k, v in options.items()
        if k not in QUIET
    ]
    return " ".join([name, *shown])
