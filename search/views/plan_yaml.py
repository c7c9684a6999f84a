"""A plan as people write it: the keys of a study file, in YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FOLD = 66
"""Columns after which a line is folded, at the next word."""

RENAMED = {
    ("pretrain", "recipe"): "pretrain",
    ("finetune", "recipe"): "finetune",
    ("pretrain", "distillation"): "pretrain distillation",
    ("elastic", "recipe"): "elastic training",
}
"""(stage, parameter) -> key of a study file, where it differs from the parameter's name."""


RECIPES = ("recipe", "between")
"""Parameters that hold the options of a training."""


def plan_lines(plan: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a plan as lines of YAML, without what is not set or has its default.

    Args:
        plan: The plan as JSON.
    """
    import yaml

    lines: list[str] = []
    for key, value in _keys(plan).items():
        # None: only the innermost mappings and lists are written on one line.
        style = None if isinstance(value, Mapping | list) else False
        text = yaml.safe_dump(
            {key: value}, sort_keys=False, default_flow_style=style, width=FOLD, allow_unicode=True
        )
        lines += text.rstrip().splitlines()
    return lines


def _keys(plan: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the parameters of all stages by the keys of a study file."""
    keys: dict[str, Any] = {}
    for stage in plan:
        kind = stage["kind"]
        for name, value in stage["params"].items():
            key = RENAMED.get((kind, name), name)
            shown = _shown(name, value)
            if shown is None or keys.get(key) == shown:
                continue
            keys[f"{kind} {key}" if key in keys else key] = shown
    return keys


def _shown(name: str, value: Any) -> Any:
    """Returns the value of a key for YAML; a technique without options becomes its name."""
    match value:
        case Mapping():
            defaults = _recipe_defaults() if name in RECIPES else {}
            kept = {
                key: _shown(key, item)
                for key, item in value.items()
                if item is not None and not (key in defaults and item == defaults[key])
            }
            if len(kept) > 1:
                kept = {key: item for key, item in kept.items() if item not in ({}, [])}
            if len(kept) == 1 and next(iter(kept.values())) == {}:
                return next(iter(kept))
            return kept
        case list() | tuple():
            return [_shown("", item) for item in value]
        case float():
            return float(f"{value:.6g}")
        case _:
            return value


def _recipe_defaults() -> dict[str, Any]:
    """Returns the options of a training that a study file need not give."""
    from paretune.spaces.training.recipe import Recipe

    defaults: dict[str, Any] = Recipe(epochs=1).model_dump(mode="json")
    return {key: value for key, value in defaults.items() if key != "epochs"}
