"""The training in which trials of the built-in stages race. Pure: it reads the space only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.spaces.domains import Choice, Fixed, Float, Int, Node, Record


def raced_stage(space: Node) -> str:
    """Returns the training in which the plans of a space are compared.

    It is finetuning if the space has any. Many plans share one pretraining, and its result does not
    show how well they can be pruned.
    """
    finetuned = isinstance(space, Record) and longest_training(space, "finetune") > 0
    return "finetune" if finetuned else "pretrain"


def longest_training(space: Node, stage: str) -> int:
    """Returns the most epochs that a training stage of a space can have; 0 if it has none."""
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
