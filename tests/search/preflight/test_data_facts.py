"""Inputs and targets in a few words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.inputs import Shape, Tokens
from paretune.search.preflight.data_facts import data_facts, nest_text
from paretune.search.tasks.target_facts import TargetFacts, TargetKind


class Described:
    """Data that only describes itself."""

    def __init__(self, kind: TargetKind, size: int, shape: Shape, ignore: int | None = None):
        names = tuple("abcde"[:size]) if kind in ("labels", "values", "boxes") else ()
        self.facts, self.shape = TargetFacts(kind, size, names), shape
        self.task = type("Task", (), {"ignore": ignore})()

    def counts(self, part: str) -> list[int]:
        return {"train": [4000, 800], "validation": [80, 8], "test": []}[part]


@pytest.mark.parametrize(
    ("kind", "size", "shape", "ignore", "words"),
    [
        ("class", 10, (3, 32, 32), None, "10 classes, input (3, 32, 32)"),
        ("class", 2, Tokens(12, 50), None, "2 classes, input (12, 50)"),
        ("labels", 2, (20,), None, "2 labels (a, b), input 20 values"),
        ("values", 1, (3, 128), None, "1 value (a), input 128 steps of 3 values"),
        ("values", 5, (1,), None, "5 values (a, b, c, ...), input 1 value"),
        ("mask", 11, (3, 8, 9), 255, "masks of 11 classes, 1 ignored, input 8x9 pixels and 3 ch"),
        ("mask", 11, (3, 8, 9), -100, "masks of 11 classes, input 8x9 pixels and 3 channels"),
        ("boxes", 3, (1, 8, 8), None, "boxes: 4,888 in 3 classes (a, b, c), input 8x8 pixels and"),
        ("next", 97, Tokens(64, 97), None, "next of 97 tokens, input 64 tokens of 97"),
    ],
)
def test_targets_and_inputs_are_named(
    kind: TargetKind, size: int, shape: Shape, ignore: int | None, words: str
) -> None:
    data: Any = Described(kind, size, shape, ignore)
    [text] = data_facts(data)
    assert text.startswith(words)


def test_nest_has_types_and_shapes() -> None:
    boxes = [{"boxes": torch.zeros(i, 4)} for i in range(5)]
    nest = {"image": torch.zeros(5, 3, 8, 8), "size": (torch.zeros(5).long(), "m"), "boxes": boxes}
    assert nest_text(nest) == (
        "{image: float32 [5, 3, 8, 8], size: (int64 [5], str), boxes: [{boxes: float32 [0, 4]}, "
        "{boxes: float32 [1, 4]}, {boxes: float32 [2, 4]}, ...]}"
    )
