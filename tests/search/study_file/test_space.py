"""Plain data becomes trees of the search space: literals, ends and choices are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from paretune.search.study_file.problems import Problems, StudyFileError
from paretune.search.study_file.space import SpaceReader
from paretune.spaces.domains import (
    Choice,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Record,
    assign,
    assignments,
    parameters,
)
from paretune.spaces.params import Params
from paretune.spaces.table import Option, Slot, Table
from support.mistakes import assert_override_refused, assert_refused
from support.studies import problems


class Small(Params):
    """An option of the toy table."""

    rate: float = Field(0.5, ge=0, lt=1)


class Named(Params):
    """Another option; its primary parameter may follow its name."""

    file: str
    depth: int = Field(1, ge=1, le=8)


class SmallEntry:
    """A toy option."""

    Params = Small


class NamedEntry:
    """A toy option with a primary parameter."""

    primary = "file"
    Params = Named


class Toys(Table):
    """A table of the two, which needs no module to import."""

    def get(self, name: str) -> Any:
        return {"small": SmallEntry, "named": NamedEntry}.get(name) or super().get(name)


TOYS = Toys("toy", {"small": "", "named": ""})


class Inner(Params):
    """A nested mapping."""

    flip: bool = False


Depth = Annotated[int, Field(ge=1, le=9)]


class Layer(Params):
    """An item of a list."""

    width: int = Field(ge=4, le=64)
    kernel: Literal[3, 5] = 3


class Everything(Params):
    """A field of each kind."""

    ratio: float = Field(0.5, ge=0, lt=1)
    lr: float = Field(0.1, gt=0, le=10)
    epochs: int = Field(3, ge=0, le=100)
    mode: Literal["a", "b"] = "a"
    flag: bool = False
    clip: float | None = Field(None, gt=0)
    inner: Inner = Inner()
    toy: Annotated[Option, Slot(TOYS)] = Option("small", Small())
    args: dict[str, Any] = Field({})
    layers: list[Layer] = Field([Layer(width=8)], min_length=1, max_length=3)
    counts: Depth | Annotated[list[Depth], Field(max_length=3)] = 2


def read(value: Any) -> tuple[Node, list[str]]:
    noted = Problems(lambda key: "x.yaml:1")
    node = SpaceReader(noted).record(Everything, value, (), "everything")
    try:
        noted.raise_any()
    except StudyFileError as error:
        return node, [line.removeprefix("x.yaml:1: ") for line in error.problems]
    return node, []


def field(value: Any) -> dict[str, Node]:
    node, lines = read(value)
    assert lines == []
    assert isinstance(node, Record)
    return dict(node.fields)


@pytest.mark.parametrize(
    ("value", "name", "node"),
    [
        ({"lr": 1}, "lr", Fixed(1.0)),
        ({"lr": 0.001}, "lr", Fixed(0.001)),
        ({"epochs": 0}, "epochs", Fixed(0)),
        ({"flag": True}, "flag", Fixed(True)),
        ({"clip": None}, "clip", Fixed(None)),
        ({"clip": 2}, "clip", Fixed(2.0)),
        (
            {"args": {"choice": 1, "float": [2]}},
            "args",
            Record((("choice", Fixed(1)), ("float", Fixed([2])))),
        ),
        ({"args": {"n": {"int": [1, 4]}}}, "args", Record((("n", Int(1, 4)),))),
        (
            {"args": {"n": {"choice": ["a", 2]}, "m": {"x": 1}}},
            "args",
            Record(
                (
                    ("n", Choice((("a", Fixed("a")), ("2", Fixed(2))))),
                    ("m", Fixed({"x": 1})),
                )
            ),
        ),
        ({"ratio": {"float": [0, 0.5]}}, "ratio", Float(0.0, 0.5)),
        ({"ratio": {"float": [0.5, 0.5]}}, "ratio", Float(0.5, 0.5)),
        ({"ratio": {"float": [0, 0.9], "step": 0.3}}, "ratio", Float(0.0, 0.9, step=0.3)),
        ({"lr": {"float": [1e-3, 1], "log": True}}, "lr", Float(0.001, 1.0, log=True)),
        ({"lr": {"int": [1, 4]}}, "lr", Int(1, 4)),
        ({"clip": {"float": [0.1, 1]}}, "clip", Float(0.1, 1.0)),
        ({"epochs": {"int": [0, 10]}}, "epochs", Int(0, 10)),
        ({"epochs": {"int": [0, 10], "step": 5}}, "epochs", Int(0, 10, step=5)),
        ({"epochs": {"int": [1, 64], "log": True}}, "epochs", Int(1, 64, log=True)),
        ({"epochs": {"choice": [1, 5]}}, "epochs", Choice((("1", Fixed(1)), ("5", Fixed(5))))),
        ({"mode": {"choice": ["b", "a"]}}, "mode", Choice((("b", Fixed("b")), ("a", Fixed("a"))))),
        (
            {"flag": {"choice": [True, False]}},
            "flag",
            Choice((("true", Fixed(True)), ("false", Fixed(False)))),
        ),
        (
            {"clip": {"choice": [None, 1]}},
            "clip",
            Choice((("null", Fixed(None)), ("1.0", Fixed(1.0)))),
        ),
        ({"inner": {"flip": True}}, "inner", Record((("flip", Fixed(True)),))),
        ({"toy": "small"}, "toy", Record((("small", Record((("rate", Fixed(0.5)),))),))),
        (
            {"toy": {"small": {"rate": {"float": [0, 0.5]}}}},
            "toy",
            Record((("small", Record((("rate", Float(0.0, 0.5)),))),)),
        ),
        (
            {"toy": {"named": "f", "depth": 2}},
            "toy",
            Record((("named", Record((("file", Fixed("f")), ("depth", Fixed(2))))),)),
        ),
        (
            {"toy": {"choice": {"small": None, "named": {"file": "f"}}}},
            "toy",
            Choice(
                (
                    ("small", Record((("small", Record((("rate", Fixed(0.5)),))),))),
                    (
                        "f",
                        Record((("named", Record((("file", Fixed("f")), ("depth", Fixed(1))))),)),
                    ),
                )
            ),
        ),
        (
            {"toy": {"choice": [{"named": "f"}, {"named": "g"}]}},
            "toy",
            Choice(
                tuple(
                    (
                        file,
                        Record((("named", Record((("file", Fixed(file)), ("depth", Fixed(1))))),)),
                    )
                    for file in ("f", "g")
                )
            ),
        ),
    ],
)
def test_field_becomes_its_node(value: Any, name: str, node: Node) -> None:
    assert field(value)[name] == node


def test_missing_fields_have_their_defaults() -> None:
    assert assign(read({})[0], lambda name, domain: None) == Everything().model_dump()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "give a mapping of parameters, not 3"),
        (
            {"epohcs": 3},
            'epohcs: unknown key for everything; did you mean "epochs"? Known: ',
        ),
        ({"lr": "0.1"}, "lr: must be a valid number, got '0.1'"),
        ({"lr": True}, "lr: must be a valid number, got True"),
        ({"lr": None}, "lr: must be a valid number"),
        ({"lr": 0}, "lr: must be greater than 0, got 0"),
        ({"lr": 11}, "lr: must be less than or equal to 10, got 11"),
        ({"epochs": 1.0}, "epochs: must be a valid integer, got 1.0"),
        ({"epochs": True}, "epochs: must be a valid integer, got True"),
        ({"flag": 1}, "flag: must be a valid boolean, got 1"),
        ({"mode": "c"}, "mode: must be 'a' or 'b', got 'c'"),
        ({"args": 3}, "args: must be a valid dictionary"),
        ({"inner": 3}, "inner: give a mapping of parameters, not 3"),
        (
            {"inner": {"flop": True}},
            'inner.flop: unknown key; did you mean "flip"? Known: flip.',
        ),
        ({"toy": 3}, "toy: give one toy: a name, or {name: parameters}"),
        ({"toy": {}}, "toy: give one toy: a name, or {name: parameters}"),
        (
            {"toy": "smal"},
            'toy: unknown toy "smal"; did you mean "small"? Known: small, named.',
        ),
        ({"toy": {"small": 3}}, "toy: small takes a mapping of parameters, not 3"),
        ({"toy": {"small": {"rate": 1}}}, "toy.small.rate: must be less than 1, got 1"),
        ({"toy": "named"}, 'toy: "file" is missing for named'),
        ({"toy": {"named": 3}}, "toy.file: must be a valid string, got 3"),
        ({"toy": {"float": [0, 1]}}, "toy: give choice: [...] of toys, not float"),
        ({"toy": {"choice": 3}}, "toy.choice: give a mapping or a list of toys, not 3"),
        ({"toy": {"choice": []}}, "toy.choice: an empty choice; give at least one option"),
        ({"toy": {"choice": {}}}, "toy.choice: an empty choice; give at least one option"),
        (
            {"toy": {"choice": ["small", "small"]}},
            'toy.choice: the option "small" occurs twice',
        ),
        ({"toy": {"choice": ["small"], "of": 1}}, "toy.of: unknown key. Known: choice."),
        ({"toy": {"choice": {"smal": {}}}}, 'toy.choice.smal: unknown toy "smal"; did you mean '),
        (
            {"toy": {"choice": {"small": {"rate": 2}}}},
            "toy.choice.small.rate: must be less than 1, got 2",
        ),
        ({"toy": {"choice": [{"small": {"rate": 2}}]}}, "toy.choice.0.small.rate: must be less"),
        # domains
        ({"ratio": {"float": [0.8, 0.1]}}, "ratio.float: low must not be above high, got [0.8, 0"),
        ({"epochs": {"int": [4, 1]}}, "epochs.int: low must not be above high, got [4, 1]"),
        ({"ratio": {"float": [0.1, 1]}}, "ratio.float: must be less than 1, got 1.0"),
        ({"ratio": {"float": [-1, 0.5]}}, "ratio.float: must be greater than or equal to 0, got "),
        ({"epochs": {"int": [0, 101]}}, "epochs.int: must be less than or equal to 100, got 101"),
        ({"ratio": {"float": [0.1]}}, "ratio.float: give two numbers [low, high], not [0.1]"),
        ({"ratio": {"float": 0.1}}, "ratio.float: give two numbers [low, high], not 0.1"),
        ({"ratio": {"float": [0, "a"]}}, "ratio.float: give two numbers [low, high], not [0, 'a']"),
        ({"epochs": {"int": [1, 2.5]}}, "epochs.int: give two integers [low, high], not [1, 2.5]"),
        ({"epochs": {"int": [False, 2]}}, "epochs.int: give two integers [low, high], not [False,"),
        ({"mode": {"int": [1, 1]}}, "mode.int: must be 'a' or 'b', got 1"),
        ({"lr": {"float": [0.1, 1], "lgo": True}}, 'lr.lgo: unknown key for float; did you mean "'),
        (
            {"lr": {"choice": [1], "log": True}},
            "lr.log: unknown key for choice. Known: choice.",
        ),
        ({"ratio": {"float": [0, 0.5], "log": True}}, "ratio: log needs a low end above 0, got 0"),
        ({"epochs": {"int": [0, 5], "log": True}}, "epochs: log needs a low end above 0, got 0"),
        ({"lr": {"float": [0.1, 1], "log": 1}}, "lr.log: give true or false, not 1"),
        (
            {"lr": {"float": [0.1, 1], "log": True, "step": 0.1}},
            "lr: log and step do not go together; give one of them",
        ),
        ({"lr": {"float": [0.1, 1], "step": 0}}, "lr.step: give a positive number, not 0"),
        ({"lr": {"float": [0.1, 1], "step": "a"}}, "lr.step: give a positive number, not 'a'"),
        ({"epochs": {"int": [1, 5], "step": 0.5}}, "epochs.step: give a positive integer, not 0.5"),
        (
            {"epochs": {"int": [1, 5], "step": True}},
            "epochs.step: give a positive integer, not True",
        ),
        (
            {"lr": {"float": [0.5, 1], "step": 0.3}},
            "lr.step: 0.3 does not lead from 0.5 to 1; the last value would be 0.8",
        ),
        (
            {"epochs": {"int": [1, 10], "step": 4}},
            "epochs.step: 4 does not lead from 1 to 10; the last value would be 9",
        ),
        ({"lr": {"float": [0.5, 1], "step": 1e-320}}, "lr.step: 1e-320 is too small for [0.5, 1]"),
        ({"lr": {"float": [1, 2], "int": [1, 2]}}, "lr: give one of choice, float, int; not float"),
        ({"lr": {"choice": []}}, "lr.choice: an empty choice; give at least one option"),
        ({"lr": {"choice": {"a": 1}}}, "lr.choice: give a list of values, not {'a': 1}"),
        ({"lr": {"choice": [1, "a"]}}, "lr.choice.1: must be a valid number, got 'a'"),
        ({"lr": {"choice": [1, 11]}}, "lr.choice.1: must be less than or equal to 10, got 11"),
        ({"lr": {"choice": [1, 1.0]}}, 'lr.choice: the option "1.0" occurs twice'),
    ],
)
def test_mistake_is_noted_at_its_key(value: Any, text: str) -> None:
    [problem] = read(value)[1]

    assert problem.startswith(text)


def test_float_domain_is_refused_for_an_integer() -> None:
    assert read({"epochs": {"float": [1, 5]}})[1] == [
        "epochs.float: must be a valid integer, got 1.0",
        "epochs.float: must be a valid integer, got 5.0",
    ]


def test_all_mistakes_of_a_record_are_noted_in_order() -> None:
    lines = read({"lr": 0, "epochs": "x", "toy": {"small": {"rate": 2}}, "nope": 1})[1]

    assert [line.partition(":")[0] for line in lines] == ["nope", "lr", "epochs", "toy.small.rate"]


class Heads(Params):
    """A rule between two fields."""

    width: int = Field(32, ge=1, le=512)
    heads: int = Field(4, ge=1, le=64)
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _divide(self) -> Heads:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")
        return self


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"heads": 5}, ["vit: 5 heads do not divide a width of 32"]),
        (
            {"heads": {"choice": [3, 5]}, "width": {"choice": [16, 32]}},
            ["vit: no combination is possible; the first: 3 heads do not divide a width of 16"],
        ),
        (
            {"heads": {"int": [5, 7]}, "dropout": {"float": [0, 0.5]}},
            ["vit: no combination is possible; the first: 5 heads do not divide a width of 32"],
        ),
        ({"heads": {"choice": [3, 4]}}, []),
        ({"heads": {"int": [3, 9]}, "dropout": {"float": [0, 0.5]}}, []),
        ({"heads": 500}, ["vit.heads: must be less than or equal to 64, got 500"]),
    ],
    ids=str,
)
def test_rule_between_fields_is_a_mistake_when_no_combination_keeps_it(
    value: dict[str, Any], text: list[str]
) -> None:
    noted = Problems(lambda key: "x.yaml:1")
    SpaceReader(noted).record(Heads, value, ("vit",), "vit")
    lines: list[str] = []
    try:
        noted.raise_any()
    except StudyFileError as error:
        lines = [line.removeprefix("x.yaml:1: ") for line in error.problems]
    assert lines == text


def test_branches_name_their_parameters() -> None:
    value = {
        "lr": {"float": [0.1, 1]},
        "toy": {
            "choice": {
                "small": {"rate": {"float": [0, 0.5]}},
                "named": {"file": "f", "depth": {"int": [1, 3]}},
            }
        },
    }

    assert [(p.name, p.condition) for p in parameters(read(value)[0])] == [
        ("lr", ()),
        ("toy", ()),
        ("toy.small.rate", (("toy", "small"),)),
        ("toy.named.depth", (("toy", "f"),)),
    ]


numbers = st.integers(0, 100)


@given(ends=st.tuples(numbers, numbers), step=st.integers(1, 12))
def test_integer_domain_loads_when_its_steps_fit(ends: tuple[int, int], step: int) -> None:
    low, high = ends
    node, lines = read({"epochs": {"int": [low, high], "step": step}})

    assert (lines == []) == (low <= high and (high - low) % step == 0)
    if not lines:
        values = [assign(node, lambda name, domain, a=a: a[name])["epochs"] for a in all_of(node)]
        assert values == list(range(low, high + 1, step))


@given(
    low=st.floats(0, 0.99),
    count=st.integers(0, 40),
    step=st.floats(1e-6, 0.02),
)
def test_float_grid_loads_when_its_steps_fit(low: float, count: int, step: float) -> None:
    high = low + count * step
    node, lines = read({"ratio": {"float": [low, high], "step": step}})

    assert bool(lines) == (high >= 1)
    if not lines:
        values = [a["ratio"] for a in all_of(node)]
        assert len(values) == (1 if low == high else count + 1)
        assert values[0] == pytest.approx(low, abs=1e-9)
        assert values[-1] == pytest.approx(high, abs=1e-9)


@given(
    rate=st.lists(st.floats(0, 0.9), min_size=1, max_size=3, unique=True),
    epochs=st.lists(st.integers(0, 100), min_size=1, max_size=3, unique=True),
)
def test_params_accept_every_assignment(rate: list[float], epochs: list[int]) -> None:
    value = {
        "epochs": {"choice": epochs},
        "toy": {"choice": {"small": {"rate": {"choice": rate}}, "named": {"file": "f"}}},
    }
    node, lines = read(value)

    plans = [assign(node, lambda name, domain, a=a: a[name]) for a in all_of(node)]

    assert lines == []
    assert len(plans) == len(epochs) * (len(rate) + 1)
    for plan in plans:
        assert Everything.model_validate(plan).model_dump() == plan


def all_of(node: Node) -> list[dict[str, Any]]:
    return list(assignments(node))


# -- lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name", "node"),
    [
        ({"counts": 3}, "counts", Fixed(3)),
        ({"counts": [1, 2]}, "counts", Fixed([1, 2])),
        ({"counts": {"int": [1, 4]}}, "counts", Int(1, 4)),
        (
            {"counts": {"choice": [[1, 2], 3]}},
            "counts",
            Choice((("[1, 2]", Fixed([1, 2])), ("3", Fixed(3)))),
        ),
        (
            {"counts": [1, {"choice": [2, 3]}]},
            "counts",
            Items((Fixed(1), Choice((("2", Fixed(2)), ("3", Fixed(3)))))),
        ),
        ({"layers": [{"width": 8}]}, "layers", Fixed([{"width": 8, "kernel": 3}])),
        (
            {"layers": [{"width": {"int": [4, 8]}}, {"width": 8}]},
            "layers",
            Items(
                (
                    Record((("width", Int(4, 8)), ("kernel", Fixed(3)))),
                    Fixed({"width": 8, "kernel": 3}),
                )
            ),
        ),
        (
            {"layers": {"choice": [[{"width": 4}], [{"width": 8}, {"width": 16}]]}},
            "layers",
            Choice(
                (
                    (
                        '[{"width": 4, "kernel": 3}]',
                        Fixed([{"width": 4, "kernel": 3}]),
                    ),
                    (
                        '[{"width": 8, "kernel": 3}, {"width": 16, "kernel": 3}]',
                        Fixed([{"width": 8, "kernel": 3}, {"width": 16, "kernel": 3}]),
                    ),
                )
            ),
        ),
    ],
)
def test_list_becomes_its_node(value: Any, name: str, node: Node) -> None:
    actual = field(value)[name]
    if isinstance(actual, Items):
        actual = Items(tuple(simplified(item) for item in actual.items))
    assert actual == node


def simplified(node: Node) -> Node:
    """Returns a tree without parameters as its literal value."""
    return node if list(parameters(node)) else Fixed(assign(node, lambda name, domain: None))


def test_parameters_of_a_list_are_named_by_their_index() -> None:
    node, lines = read(
        {
            "layers": [
                {"width": {"choice": [8, 16]}, "kernel": {"choice": [3, 5]}},
                {"width": 4, "kernel": {"choice": [3, 5]}},
            ],
            "counts": [1, {"int": [2, 3]}],
        }
    )
    assert lines == []
    names = ["layers.0.width", "layers.0.kernel", "layers.1.kernel", "counts.1"]
    assert [p.name for p in parameters(node)] == names
    values = dict(zip(names, ["16", "3", "5", 3], strict=True))
    concrete = assign(node, lambda name, domain: values[name])
    assert concrete["layers"] == [{"width": 16, "kernel": 3}, {"width": 4, "kernel": 5}]
    assert concrete["counts"] == [1, 3]
    assert Everything.model_validate(concrete).layers[1] == Layer(width=4, kernel=5)
    assert len(list(assignments(node))) == 2 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"layers": 3}, "layers: must be a valid list, got 3"),
        ({"layers": []}, "layers: list should have at least 1 item after validation, not 0"),
        ({"layers": [{}]}, 'layers.0: "width" is missing for an item of layers'),
        ({"layers": [8]}, "layers.0: give a mapping of parameters, not 8"),
        ({"layers": [{"width": 2}]}, "layers.0.width: must be greater than or equal to 4, got 2"),
        (
            {"layers": [{"width": 8}, {"width": {"int": [4, 65]}}]},
            "layers.1.width.int: must be less than or equal to 64, got 65",
        ),
        (
            {"layers": [{"width": 8, "kernal": 3}]},
            'layers.0.kernal: unknown key for an item of layers; did you mean "kernel"?',
        ),
        (
            {"layers": [{"width": {"int": [4, 8]}}] * 4},
            "layers: list should have at most 3 items after validation, not 4",
        ),
        ({"counts": [0]}, "counts.0: must be greater than or equal to 1, got 0"),
        ({"counts": [1, {"int": [0, 3]}]}, "counts.1.int: must be greater than or equal to 1"),
        ({"counts": ["x", {"int": [1, 3]}]}, "counts.0: must be a valid integer, got 'x'"),
        ({"counts": [{"int": [1, 2]}] * 4}, "counts: list should have at most 3 items"),
    ],
)
def test_mistake_in_a_list_is_noted_at_its_item(value: Any, text: str) -> None:
    _, lines = read(value)
    assert lines
    assert text in lines[0]


# -- the space of a study file -------------------------------------------------------------------

MISTAKES = [
    (
        "  distillation: none",
        "  destillation: none",
        "space.destillation",
        'unknown key; did you mean "distillation"? Known: ...',
    ),
    (
        "round_to: 4",
        "round_too: 4",
        "space.pruning.choice.structured.round_too",
        'unknown key for structured; did you mean "round_to"? Known: ...',
    ),
    (
        "log: true",
        "lgo: true",
        "space.finetune.optimizer.choice.sgd.lr.lgo",
        'unknown key for float; did you mean "log"? Known: ...',
    ),
    (
        "separable_cnn:",
        "seperable_cnn:",
        "space.architecture.choice.seperable_cnn",
        'unknown architecture "seperable_cnn"; did you mean "separable_cnn"? Known: ...',
    ),
    (
        "structured:",
        "structurd:",
        "space.pruning.choice.structurd",
        'unknown pruning "structurd"; did you mean "structured"? Known: ...',
    ),
    (
        "distillation: none",
        "distillation: logit",
        "space.distillation",
        'unknown distillation "logit"; did you mean "logits"? Known: ...',
    ),
    (
        "[none, dynamic]",
        "[none, dynamik]",
        "space.quantization.choice.1",
        'unknown quantization "dynamik"; did you mean "dynamic"? Known: ...',
    ),
    (
        "round_to: 4",
        "round_to: [4]",
        "space.pruning.choice.structured.round_to",
        "must be a valid integer, got [4]",
    ),
    (
        "choice: [0.25, 0.5]",
        "choice: [0.25, half]",
        "space.architecture.choice.simple_cnn.width.choice.1",
        "must be a valid number, got 'half'",
    ),
    (
        "choice: [0.25, 0.5]",
        "choice: {a: 0.25}",
        "space.architecture.choice.simple_cnn.width.choice",
        "give a list of values, not {'a': 0.25}",
    ),
    (
        "ratio: {float: [0.1, 0.8]}, ",
        "",
        "space.pruning.choice.structured",
        "give ratio, macs or per_layer: how much to remove",
    ),
    (
        "float: [0.1, 0.8]",
        "float: [0.8, 0.1]",
        "space.pruning.choice.structured.ratio.float",
        "low must not be above high, got [0.8, 0.1]",
    ),
    (
        "{int: [1, 4]}",
        "{int: [0, 4], log: true}",
        "space.finetune.epochs",
        "log needs a low end above 0, got 0",
    ),
]

OVERRIDES = [
    (
        "space=",
        "space: is missing; give what to search: architecture, pretrain, pruning, "
        "distillation, finetune, quantization",
    ),
    (
        "space.finetune.optimizer={torch: Radam}",
        'space.finetune.optimizer.name: torch.optim has no "Radam"; did you mean "RAdam"? ',
    ),
    (
        "space.finetune.optimizer={torch: LBFGS}",
        "space.finetune.optimizer.name: torch.optim.LBFGS evaluates the loss several times",
    ),
    (
        "space.finetune.optimizer={torch: RAdam, args: {betass: [0.9, 0.99]}}",
        'space.finetune.optimizer: torch.optim.RAdam has no argument "betass"; did you mean',
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), MISTAKES)
def test_mistake_is_refused_at_its_line(
    small: Path, old: str, new: str, key: str, text: str
) -> None:
    assert_refused(small, old, new, key, text)


@pytest.mark.parametrize(("override", "text"), OVERRIDES)
def test_mistake_in_an_override_is_refused_by_its_name(
    small: Path, override: str, text: str
) -> None:
    assert_override_refused(small, override, text)


@pytest.mark.parametrize(
    ("section", "value", "text"),
    [
        (
            "space.architecture",
            "{'os:path': {}}",
            '"os:path" is not an architecture: it has no Params; your own code is python: '
            '"os:path"',
        ),
        (
            "data",
            "{'os:path': {}}",
            '"os:path" is not a data set: it has no Params; your own code is python: "os:path"',
        ),
        ("space.pruning", "{'os:path': {}}", '"os:path" is not a pruning: it has no Params'),
        (
            "space.pruning",
            "'no_such_module:x'",
            'pruning "no_such_module:x": ModuleNotFoundError: ',
        ),
        ("space.pruning", "':'", 'pruning ":": ValueError: Empty module name'),
        ("space.pruning", "'.a:b'", 'pruning ".a:b": '),
    ],
)
def test_dotted_path_is_refused_when_it_is_not_an_option(
    small: Path, section: str, value: str, text: str
) -> None:
    [problem] = problems(small, f"{section}={value}")

    key, _, message = problem.removeprefix(f"--set {section}={value}: ").partition(": ")
    assert key == section
    assert message.startswith(text)


def test_float_domain_is_refused_at_both_ends_when_the_field_is_an_integer(small: Path) -> None:
    lines = problems(small, "space.finetune.epochs={float: [1, 5]}")

    assert [line.rpartition(": ")[2] for line in lines] == [
        "must be a valid integer, got 1.0",
        "must be a valid integer, got 5.0",
    ]


def test_other_architectures_are_refused_when_nothing_trains_them(small: Path) -> None:
    (small.parent / "w.pt").write_bytes(b"")

    [problem] = problems(small, "baseline={architecture: simple_cnn, checkpoint: w.pt}")

    assert problem == (
        f"{small}:7: space.architecture: other architectures need training; "
        "give space.pretrain (a recipe): there are no weights for simple_cnn with width 0.25, the "
        "baseline's is 1.0"
    )


def test_rule_between_options_of_an_optimizer_is_checked(small: Path) -> None:
    override = "baseline.pretrain.optimizer={sgd: {nesterov: true, momentum: 0}}"

    [problem] = problems(small, override)

    assert problem.endswith("baseline.pretrain.optimizer.sgd: nesterov needs a momentum above 0")


def test_parameter_is_refused_when_two_branches_give_it(small: Path) -> None:
    weights = "weights: {choice: [DEFAULT, null]}"
    override = (
        "space.architecture={choice: [{torchvision: resnet18, "
        f"{weights}}}, {{torchvision: resnet34, {weights}}}]}}"
    )

    [problem] = problems(small, override, "space.pretrain={epochs: 1}")

    assert problem == (
        f"{small}:6: space: two branches give the parameter architecture.torchvision.weights; "
        "give one of them a fixed value"
    )
