"""Short plans: the stages of a plan with three epochs at most, of which the first is not timed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage

EPOCHS = 3
"""The first epoch warms up: it compiles, allocates, and may train the classifier only."""


def short_plan(plan: Plan) -> Plan:
    """Returns a plan whose stages and teachers train three epochs at most."""
    return Plan(tuple(Stage(s.kind, _short(s.params)) for s in plan.stages))


def batch_size(plan: Plan) -> int:
    """Returns the largest batch that a plan trains with; 0 if it does not train."""
    return max(_batch_sizes(plan.to_json()), default=0)


def _short(value: Any) -> Any:
    """Returns JSON with every number of epochs limited, at any depth."""
    if isinstance(value, Mapping):
        return {key: _limited(key, _short(child)) for key, child in value.items()}
    return [_short(child) for child in value] if isinstance(value, list | tuple) else value


def _limited(key: str, value: Any) -> Any:
    number = isinstance(value, int) and not isinstance(value, bool)
    if key == "epochs" and number:
        return min(value, EPOCHS)
    return min(value, 1) if key == "freeze_epochs" and number else value


def _batch_sizes(value: Any) -> list[int]:
    if isinstance(value, Mapping):
        mine = [value["batch_size"]] if isinstance(value.get("batch_size"), int) else []
        return [*mine, *(size for child in value.values() for size in _batch_sizes(child))]
    return [s for child in value for s in _batch_sizes(child)] if isinstance(value, list) else []
