"""Where trials of the built-in stages race. Pure: looks at the space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.spaces.domains import Choice, Fixed, Float, Int, Node, Record


def raced_stage(space: Node) -> str:
    """The training in which the plans of a space are compared.

    What pretraining comes to, many plans have in common, and it says nothing of how they are pruned
    afterwards: where there is a training after it, that is the one.
    """
    finetuned = isinstance(space, Record) and longest(space, "finetune") > 0
    return "finetune" if finetuned else "pretrain"


def longest(space: Node, stage: str) -> int:
    """The most epochs that a training stage of a space can have; 0 where it has none."""
    if not isinstance(space, Record):
        return 0
    match dict(space.fields).get(stage):
        case Record(fields):
            return _most(dict(fields).get("epochs", Fixed(0)))
        case Fixed(value) if isinstance(value, Mapping):
            return _number(value.get("epochs"))
        case _:
            return 0


def _most(epochs: Node) -> int:
    match epochs:
        case Fixed(value):
            return _number(value)
        case Int(_, high) | Float(_, high):
            return int(high)
        case Choice(options):
            return max(_most(child) for _, child in options)
        case _:
            return 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
