"""Search spaces as trees: counts, assignments, parameter names and values."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Parameter,
    Record,
    assign,
    assigner,
    assignments,
    count,
    label_of,
    parameters,
    with_ends_only,
)

TREE = Record(
    (
        ("width", Int(8, 16, step=4)),
        (
            "pruning",
            Choice(
                (
                    ("none", Record((("none", Record(())),))),
                    (
                        "structured",
                        Record(
                            (
                                (
                                    "structured",
                                    Record(
                                        (
                                            ("ratio", Float(0.1, 0.3, step=0.1)),
                                            ("round_to", Fixed(8)),
                                            (
                                                "scope",
                                                Choice((("a", Fixed("a")), ("2", Fixed(2)))),
                                            ),
                                        )
                                    ),
                                ),
                            )
                        ),
                    ),
                )
            ),
        ),
    )
)
"""A tree as the study loader builds it: width x (none + structured(3 ratios x 2 scopes))."""

NAMES = st.sampled_from(["a", "b", "c", "d"])


def ints() -> st.SearchStrategy[Int]:
    return st.builds(
        lambda low, steps, step: Int(low, low + steps * step + (step - 1), step=step),
        st.integers(-3, 3),
        st.integers(0, 3),
        st.integers(1, 3),
    )


def grids() -> st.SearchStrategy[Float]:
    return st.builds(
        lambda low, steps, step: Float(low, low + steps * step, step=step),
        st.sampled_from([0.0, 0.1, -1.0, 1e-3, 7.0]),
        st.integers(0, 3),
        st.sampled_from([0.1, 0.25, 1e-3, 1 / 3]),
    )


def continuous_ranges() -> st.SearchStrategy[Float]:
    return st.builds(
        lambda low, width, log: Float(low, low * width, log=log),
        st.floats(1e-4, 1.0),
        st.floats(1.0, 100.0),
        st.booleans(),
    )


def trees(leaves: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Returns trees as the study loader builds them: a branch's parameters are under its name."""
    fixed = st.builds(Fixed, st.one_of(st.integers(), st.text(max_size=3), st.booleans()))

    def records(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Record]:
        fields = st.lists(st.tuples(NAMES, children), max_size=3, unique_by=lambda field: field[0])
        return fields.map(lambda pairs: Record(tuple(pairs)))

    def choices(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Choice]:
        options = st.lists(
            st.tuples(NAMES, records(children)), min_size=1, max_size=3, unique_by=lambda o: o[0]
        )
        return options.map(
            lambda pairs: Choice(tuple((name, Record(((name, child),))) for name, child in pairs))
        )

    return st.recursive(
        st.one_of(fixed, leaves),
        lambda children: st.one_of(records(children), choices(children)),
        max_leaves=6,
    )


FINITE = st.one_of(ints(), grids())


def within(node: Node, value: Any) -> bool:
    """Returns whether a concrete value lies in a tree."""
    match node:
        case Fixed(literal):
            return bool(value == literal)
        case Record(fields):
            return list(value) == [name for name, _ in fields] and all(
                within(child, value[name]) for name, child in fields
            )
        case Choice(options):
            return any(within(child, value) for _, child in options)
        case Int():
            return value in node.values()
        case Float(low, high):
            return low - 1e-9 <= value <= high + 1e-9


def suggested(draw: st.DataObject, domain: Domain) -> Any:
    """Returns any value that an optimizer might suggest."""
    match domain:
        case Choice():
            return draw.draw(st.sampled_from(domain.labels))
        case Int():
            return draw.draw(st.sampled_from(domain.values()))
        case Float(low, high, step=None):
            return draw.draw(st.floats(low, high))
        case Float():
            return draw.draw(st.sampled_from(domain.values()))


# -- properties --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.data(), trees(st.one_of(FINITE, continuous_ranges())))
def test_assign_gives_a_value_in_the_tree_for_any_suggestion(
    draw: st.DataObject, node: Node
) -> None:
    value = assign(node, lambda name, domain: suggested(draw, domain))
    assert within(node, value)


@settings(deadline=None, max_examples=60)
@given(st.data(), trees(st.one_of(FINITE, continuous_ranges())))
def test_assign_asks_only_for_parameters_in_the_chosen_branches(
    draw: st.DataObject, node: Node
) -> None:
    asked: dict[str, Any] = {}

    def choose(name: str, domain: Domain) -> Any:
        assert name not in asked
        asked[name] = suggested(draw, domain)
        return asked[name]

    assign(node, choose)
    exist = [
        p.name
        for p in parameters(node)
        if all(asked.get(parent) == at for parent, at in p.condition)
    ]
    assert sorted(exist) == sorted(asked)


@settings(deadline=None, max_examples=60)
@given(trees(FINITE))
def test_count_is_the_number_of_distinct_assignments(node: Node) -> None:
    all_assignments = list(assignments(node))
    assert len(all_assignments) == count(node)
    assert len({json.dumps(one, sort_keys=True) for one in all_assignments}) == len(all_assignments)


@settings(deadline=None, max_examples=60)
@given(trees(FINITE))
def test_assignments_contain_exactly_the_parameters_that_assign_asks_for(node: Node) -> None:
    for assignment in assignments(node):
        asked: list[str] = []

        def choose(
            name: str, domain: Domain, assignment: Any = assignment, asked: list[str] = asked
        ) -> Any:
            asked.append(name)
            return assignment[name]

        assert within(node, assign(node, choose))
        assert sorted(asked) == sorted(assignment)


@settings(deadline=None, max_examples=60)
@given(trees(st.one_of(FINITE, continuous_ranges())))
def test_parameters_have_unique_names(node: Node) -> None:
    names = [p.name for p in parameters(node, "root")]
    assert len(set(names)) == len(names)
    assert all(name == "root" or name.startswith("root.") for name in names)


@settings(deadline=None, max_examples=100)
@given(FINITE)
def test_values_are_sorted_inside_the_domain_and_counted_by_count(domain: Int | Float) -> None:
    values = domain.values()
    assert len(values) == domain.count
    assert values == sorted(set(values))
    assert abs(values[0] - domain.low) < 1e-9
    assert values[-1] <= domain.high + 1e-9
    assert values[-1] + (domain.step or 1) > domain.high


# -- examples ----------------------------------------------------------------------------------


def test_parameters_contain_names_and_conditions() -> None:
    taken = (("pruning", "structured"),)
    structured = TREE.fields[1][1]
    assert isinstance(structured, Choice)
    assert list(parameters(TREE)) == [
        Parameter("width", Int(8, 16, step=4)),
        Parameter("pruning", structured),
        Parameter("pruning.structured.ratio", Float(0.1, 0.3, step=0.1), taken),
        Parameter("pruning.structured.scope", Choice((("a", Fixed("a")), ("2", Fixed(2)))), taken),
    ]


def test_count_multiplies_fields_and_adds_branches() -> None:
    assert count(TREE) == 3 * (1 + 3 * 2)


def test_count_is_infinite_when_a_parameter_is_continuous() -> None:
    assert math.isinf(count(Record((("lr", Float(0.1, 1.0)), ("n", Int(1, 3))))))


def test_range_has_one_value_when_both_ends_are_equal() -> None:
    assert count(Float(0.3, 0.3)) == count(Float(0.3, 0.3, step=0.1)) == count(Int(3, 3)) == 1
    assert Float(0.3, 0.3).values() == [0.3]


def test_assign_follows_the_branch_that_is_taken() -> None:
    values = {
        "width": 12,
        "pruning": "structured",
        "pruning.structured.ratio": 0.2,
        "pruning.structured.scope": "2",
    }
    assert assign(TREE, lambda name, domain: values[name]) == {
        "width": 12,
        "pruning": {"structured": {"ratio": 0.2, "round_to": 8, "scope": 2}},
    }
    values["pruning"] = "none"
    assert assign(TREE, lambda name, domain: values[name]) == {
        "width": 12,
        "pruning": {"none": {}},
    }


def test_assign_refuses_an_unknown_label() -> None:
    with pytest.raises(KeyError, match="structred"):
        assign(TREE, lambda name, domain: "structred" if name == "pruning" else 8)


def test_assignments_refuse_a_continuous_parameter_and_name_it() -> None:
    with pytest.raises(ValueError, match=r"^space\.lr is continuous: give it a step, or a choice"):
        list(assignments(Record((("lr", Float(0.1, 1.0)),)), "space"))


def test_values_of_a_grid_are_rounded_decimals() -> None:
    assert Float(0.1, 0.5, step=0.1).values() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert Float(0.0, 1.0, step=0.3).values() == [0.0, 0.3, 0.6, 0.9]
    assert Int(1, 8, step=3).values() == [1, 4, 7]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("cosine", "cosine"),
        (True, "true"),
        (None, "null"),
        (8, "8"),
        (0.001, "0.001"),
        (1e-5, "1e-05"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_label_is_the_text_itself_or_json(value: Any, label: str) -> None:
    assert label_of(value) == label


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)))
def test_label_parses_back_to_its_literal(value: Any) -> None:
    assert json.loads(label_of(value)) == value


@pytest.mark.parametrize("params", list(assignments(with_ends_only(TREE))))
def test_assigner_returns_what_assign_does_in_the_same_order(params: dict[str, Any]) -> None:
    tree = Record((("network", TREE), ("list", Items((Fixed(1), TREE))), ("rest", Items(()))))
    params = {f"{part}.{name}": v for part in ("network", "list.1") for name, v in params.items()}
    expected = assign(tree, lambda name, domain: params[name])
    assert json.dumps(assigner(tree)(params)) == json.dumps(expected)
