"""The space of the user's own trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study_file.problems import Problems
from paretune.search.study_file.trainer_space import TrainerSpaceReader
from paretune.spaces.domains import Choice, Fixed, Float, Int, Node, Record
from support.studies import problems


@pytest.mark.parametrize(
    ("value", "node"),
    [
        (3, Fixed(3)),
        ([1, 2], Fixed([1, 2])),
        ({"int": [1, 4]}, Int(1, 4)),
        ({"float": [0.1, 1], "log": True}, Float(0.1, 1.0, log=True)),
        ({"choice": ["a", 2]}, Choice((("a", Fixed("a")), ("2", Fixed(2))))),
        ({"deeper": {"int": [1, 4]}}, Record((("deeper", Int(1, 4)),))),
        (
            {"choice": {"sgd": {"momentum": {"float": [0, 0.9]}}, "adam": None}},
            Choice(
                (
                    ("sgd", Record((("sgd", Record((("momentum", Float(0.0, 0.9)),))),))),
                    ("adam", Record((("adam", Record(())),))),
                )
            ),
        ),
        (
            {"choice": ["none", {"sgd": {"momentum": 0.9}}]},
            Choice(
                (
                    ("none", Fixed("none")),
                    ("sgd", Record((("sgd", Record((("momentum", Fixed(0.9)),))),))),
                )
            ),
        ),
    ],
)
def test_value_becomes_its_node(value: Any, node: Node) -> None:
    noted = Problems(lambda key: "x.yaml:1")

    space = TrainerSpaceReader(noted).space({"key": value})

    assert not noted
    assert space == Record((("key", node),))


MISTAKES = [
    ("space=", "space: is missing; give what your trainer takes"),
    ("space.lr={float: [2, 1]}", "low must not be above high"),
    ("space.lr={choice: []}", "an empty choice"),
    ("space.lr={choice: {}}", "an empty choice"),
    ("space.lr={choice: [1, 1]}", 'the option "1" occurs twice'),
    ("space.lr={choice: [{a: {}}, a]}", 'the option "a" occurs twice'),
    ("space.lr={choice: {a: {}}, float: [1, 2]}", "give one of choice, float, int"),
    ("space.lr={choice: {a: {}}, log: true}", "unknown key for choice"),
    ("space={a.b: {int: [1, 2]}, a: {b: {int: [1, 2]}}}", "two parameters are called a.b"),
]


@pytest.mark.parametrize(("override", "text"), MISTAKES)
def test_mistake_is_refused(trainer: Path, override: str, text: str) -> None:
    assert text in "\n".join(problems(trainer, override))
