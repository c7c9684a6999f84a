"""A plan in a few words: `simple_cnn width 0.5 · pruned 45 % · distilled · static int8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

QUIET = {"stem", "args", "weights"}
"""Parameters of an architecture that are shown only when they say something."""


def plan_text(plan: Sequence[Mapping[str, Any]]) -> str:
    """A plan (as JSON) in a few words."""
    return " · ".join(
        text for stage in plan if (text := _stage_text(stage["kind"], stage["params"]))
    )


def _stage_text(kind: str, params: Mapping[str, Any]) -> str:
    match kind:
        case "pretrain":
            [(name, options)] = params["architecture"].items()
            return architecture_text(name, options)
        case "prune":
            [(_, options)] = params["pruning"].items()
            ratio = options.get("ratio")
            return f"pruned {100 * ratio:.0f} %" if ratio is not None else "pruned"
        case "finetune" if params.get("distillation"):
            return "distilled"
        case "quantize":
            [(name, _)] = params["quantization"].items()
            return f"{name} int8"
        case _:
            return ""


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
