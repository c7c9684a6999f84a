"""Table, Option and Slot: from a name in a study file to a validated option."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.params import Params
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Option, Slot, Table, UnknownName, did_you_mean
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.sgd import Sgd

TABLES = (ARCHITECTURES, PRUNINGS, QUANTIZATIONS, DISTILLATIONS, OPTIMIZERS, SCHEDULES)


class Holder(Params):
    """A Params with a field for an optimizer."""

    optimizer: Annotated[Option, Slot(OPTIMIZERS)]


# -- get ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_get_suggests_a_name_and_lists_all_when_the_name_is_misspelt(table: Table) -> None:
    names = ", ".join(table.names)
    for name in table.names:
        with pytest.raises(UnknownName) as caught:
            table.get(f"{name}z")
        assert str(caught.value) == (
            f'unknown {table.kind} "{name}z"; did you mean "{name}"? Known: {names}.'
        )


def test_get_suggests_no_name_when_none_is_similar() -> None:
    with pytest.raises(UnknownName) as caught:
        OPTIMIZERS.get("qqq")
    names = ", ".join(OPTIMIZERS.names)
    assert str(caught.value) == f'unknown optimizer "qqq". Known: {names}.'


def test_get_returns_the_class_when_the_name_is_a_dotted_path() -> None:
    assert OPTIMIZERS.get("paretune.spaces.training.sgd:Sgd") is Sgd


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module:Thing", "No module named 'no_such_module'"),
        ("paretune.spaces.training.sgd:Sdg", "has no attribute 'Sdg'"),
        (".sgd:Sgd", "relative import"),
        (":Sgd", "Empty module name"),
    ],
)
def test_get_gives_the_reason_when_a_dotted_path_cannot_be_imported(path: str, reason: str) -> None:
    with pytest.raises(UnknownName, match=f'^optimizer "{path}": .*{reason}'):
        OPTIMIZERS.get(path)


def test_get_raises_the_import_error_itself_when_the_entry_is_built_in() -> None:
    broken = Table("thing", {"built_in": "no_such_module:Thing"})
    with pytest.raises(ModuleNotFoundError):
        broken.get("built_in")


def test_did_you_mean_is_empty_when_there_are_no_names() -> None:
    assert did_you_mean("adam", []) == ""


# -- parse -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("resnet", ("resnet", {})),
        ({"resnet": None}, ("resnet", {})),
        ({"resnet": {"width": 8}}, ("resnet", {"width": 8})),
        ({"torchvision": "resnet18"}, ("torchvision", {"name": "resnet18"})),
        (
            {"torchvision": "resnet18", "weights": "DEFAULT"},
            ("torchvision", {"name": "resnet18", "weights": "DEFAULT"}),
        ),
        (
            {"weights": "DEFAULT", "torchvision": {"name": "resnet18"}},
            ("torchvision", {"name": "resnet18", "weights": "DEFAULT"}),
        ),
        (
            {"paretune.spaces.architecture.resnet:ResNet": {"width": 8}},
            ("paretune.spaces.architecture.resnet:ResNet", {"width": 8}),
        ),
    ],
)
def test_parse_returns_name_and_parameters_of_every_spelling(
    value: Any, expected: tuple[str, dict[str, Any]]
) -> None:
    assert ARCHITECTURES.parse(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "give one architecture"),
        (3, "give one architecture"),
        (["resnet"], "give one architecture"),
        (None, "give one architecture"),
        ({"resnet": {}, "simple_cnn": {}}, "not resnet, simple_cnn"),
        ({"width": 8, "stages": 2}, "not width, stages"),
        ({"resnet": 8}, "resnet takes a mapping of parameters, not 8"),
        ("resnt", 'did you mean "resnet"'),
        ({"resnt": {}}, 'did you mean "resnet"'),
    ],
)
def test_parse_refuses_a_value_that_names_no_single_entry(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ARCHITECTURES.parse(value)


# -- Option and Slot ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["sgd", {"sgd": {}}, {"sgd": None}, Option("sgd", Sgd.Params())],
    ids=["name", "empty", "none", "option"],
)
def test_slot_returns_the_same_option_for_every_spelling(value: Any) -> None:
    assert Holder(optimizer=value).optimizer == Option("sgd", Sgd.Params())


def test_slot_is_equal_after_a_dump_and_validation() -> None:
    holder = Holder.model_validate({"optimizer": {"sgd": {"lr": 0.3, "momentum": 0.5}}})
    dumped = holder.model_dump()
    assert dumped["optimizer"]["sgd"]["lr"] == 0.3
    assert Holder.model_validate(dumped) == holder


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("sdg", 'unknown optimizer "sdg"; did you mean "sgd"'),
        ({"sgd": {"lr": -1}}, "greater than 0"),
        ({"sgd": {"rate": 1}}, "Extra inputs"),
        ({"sgd": {"nesterov": True, "momentum": 0}}, "nesterov needs a momentum above 0"),
    ],
)
def test_slot_refuses_an_option_that_does_not_fit(value: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Holder.model_validate({"optimizer": value})
