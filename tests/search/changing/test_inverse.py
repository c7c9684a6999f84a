"""The inverse of `assign` finds the parameters of a value, also in another space."""

from __future__ import annotations

import random
from typing import Any

import pytest

from paretune.search.changing.inverse import choices_of, number_in, params_of, same_value
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Node, Record, assign

NONE = ("none", Record((("none", Record(())),)))


def pruned(ratio: Node) -> tuple[str, Node]:
    """Returns an option of a choice that prunes."""
    return "structured", Record((("structured", Record((("ratio", ratio),))),))


def space(**fields: Node) -> Record:
    """Returns a space of these keys."""
    return Record(tuple(fields.items()))


OLD = space(
    depth=Int(2, 8, step=2),
    rate=Float(1e-3, 1.0, log=True),
    pruning=Choice((NONE, pruned(Float(0.1, 0.5)))),
    cells=Items((Choice((("3", Fixed(3)), ("5", Fixed(5)))), Fixed("pool"))),
    finetune=Fixed(None),
)


def drawn(node: Node, seed: int) -> tuple[dict[str, Any], Any]:
    """Returns random parameters of a space and their value."""
    draw, params = random.Random(seed), {}

    def choose(name: str, domain: Any) -> Any:
        match domain:
            case Choice():
                params[name] = draw.choice(domain.labels)
            case Int() | Float(step=float()):
                params[name] = draw.choice(domain.values())
            case _:
                params[name] = draw.uniform(domain.low, domain.high)
        return params[name]

    value = assign(node, choose)
    return params, value


@pytest.mark.parametrize("seed", range(20))
def test_params_of_a_value_are_those_that_gave_it(seed: int) -> None:
    params, value = drawn(OLD, seed)
    assert params_of(value, OLD) == params


@pytest.mark.parametrize(
    ("changes", "choices", "expected"),
    [
        # a wider, a narrower and another range
        ({"rate": Float(1e-4, 2.0)}, {"rate": 0.5}, {"rate": 0.5}),
        ({"rate": Float(0.1, 0.4)}, {"rate": 0.5}, None),
        ({"depth": Int(2, 8)}, {"depth": 4}, {"depth": 4}),
        ({"depth": Int(3, 9, step=2)}, {"depth": 4}, None),
        ({"rate": Float(0.0, 1.0, step=0.1)}, {"rate": 0.30000000000000004}, {"rate": 0.3}),
        ({"rate": Float(0.0, 1.0, step=0.1)}, {"rate": 0.35}, None),
        (
            {"rate": Choice((("0.5", Fixed(0.5)), ("1", Fixed(1.0))))},
            {"rate": 0.5},
            {"rate": "0.5"},
        ),
        # what was a domain is fixed, and the other way round
        ({"rate": Fixed(0.5)}, {"rate": 0.5}, {}),
        ({"rate": Fixed(0.5)}, {"rate": 0.4}, None),
        ({"rate": Float(0.1, 1.0)}, {"rate": 1}, {"rate": 1.0}),
        # a technique comes, or is no longer a choice
        ({"p": Choice((NONE, pruned(Fixed(0.5))))}, {"p": None}, {"p": "none"}),
        ({"p": Choice((NONE, pruned(Fixed(0.5))))}, {}, {"p": "none"}),
        ({"p": Fixed(None)}, {"p": {"none": {}}}, {}),
        ({"p": NONE[1]}, {"p": None}, {}),
        ({}, {"p": {"none": {}}}, {}),
        ({}, {"p": {"structured": {"ratio": 0.5}}}, None),
        (
            {"p": Choice((NONE, pruned(Float(0.1, 0.8))))},
            {"p": {"structured": {"ratio": 0.4}}},
            {"p": "structured", "p.structured.ratio": 0.4},
        ),
        ({"p": pruned(Float(0.1, 0.8))[1]}, {"p": {"none": {}}}, None),
        # lists
        ({"c": Items((Int(1, 5), Fixed(2)))}, {"c": [3, 2]}, {"c.0": 3}),
        ({"c": Items((Int(1, 5), Fixed(2)))}, {"c": {"0": 3, "1": 2}}, {"c.0": 3}),
        ({"c": Items((Int(1, 5),))}, {"c": [3, 2]}, None),
        ({"c": Fixed([1, 2])}, {"c": {"0": 1, "1": 2}}, {}),
        # true is no number
        ({"flip": Int(0, 1)}, {"flip": True}, None),
        ({"flip": Fixed(1)}, {"flip": True}, None),
    ],
)
def test_params_in_another_space(
    changes: dict[str, Node], choices: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert params_of(choices, space(**changes)) == expected


def test_first_matching_option_is_taken_and_leaves_no_other_parameters() -> None:
    node = space(p=Choice((pruned(Float(0.5, 0.9)), ("low", pruned(Float(0.1, 0.5))[1]))))
    found = params_of({"p": {"structured": {"ratio": 0.2}}}, node)
    assert found == {"p": "low", "p.structured.ratio": 0.2}


@pytest.mark.parametrize("value", ["3", None, float("nan"), [3], 3.5])
def test_number_in_an_int_is_an_integer(value: Any) -> None:
    assert number_in(Int(1, 5), value) is None


def test_stored_space_gives_the_choices_of_its_parameters() -> None:
    tree = {
        "depth": {"int": [1, 5], "log": False, "step": 1},
        "p": {
            "choice": {
                "none": {"none": {}},
                "structured": {
                    "structured": {"ratio": {"float": [0.1, 0.5], "log": False, "step": None}}
                },
            }
        },
        "sizes": {"0": {"choice": {"3": 3, "5": 5}}},
        "fixed": [1, {"a": 2}],
    }
    params = {"depth": 3, "p": "structured", "p.structured.ratio": 0.25, "sizes.0": "5"}
    assert choices_of(tree, params) == {
        "depth": 3,
        "p": {"structured": {"ratio": 0.25}},
        "sizes": {"0": 5},
        "fixed": [1, {"a": 2}],
    }
    with pytest.raises(KeyError):
        choices_of(tree, {"depth": 3})


def test_same_value_ignores_what_is_left_empty() -> None:
    assert same_value({"a": 1, "b": None}, {"a": 1.0})
    assert same_value({"none": {}}, None)
    assert not same_value({"a": 1}, {"a": 1, "b": 0})
    assert not same_value([1, 2], [1])
