"""Table, Option and Slot: how a name in a study becomes a checked option."""

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
    """A Params with a slot."""

    optimizer: Annotated[Option, Slot(OPTIMIZERS)]


# -- get ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_get_names_the_nearest_and_all_known_when_the_name_is_misspelt(table: Table) -> None:
    known = ", ".join(table.names)
    for name in table.names:
        with pytest.raises(UnknownName) as caught:
            table.get(f"{name}z")
        assert str(caught.value) == (
            f'unknown {table.kind} "{name}z"; did you mean "{name}"? Known: {known}.'
        )


def test_get_names_no_nearest_when_nothing_is_near() -> None:
    with pytest.raises(UnknownName) as caught:
        OPTIMIZERS.get("qqq")
    known = ", ".join(OPTIMIZERS.names)
    assert str(caught.value) == f'unknown optimizer "qqq". Known: {known}.'


def test_get_gives_the_class_when_the_name_is_a_dotted_path() -> None:
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
def test_get_says_what_is_wrong_when_a_dotted_path_leads_nowhere(path: str, reason: str) -> None:
    with pytest.raises(UnknownName, match=f'^optimizer "{path}": .*{reason}'):
        OPTIMIZERS.get(path)


def test_get_raises_the_import_error_itself_when_the_entry_is_ours() -> None:
    broken = Table("thing", {"ours": "no_such_module:Thing"})
    with pytest.raises(ModuleNotFoundError):
        broken.get("ours")


def test_nearest_is_empty_when_nothing_is_known() -> None:
    assert did_you_mean("adam", []) == ""


# -- pick --------------------------------------------------------------------------------------


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
def test_pick_gives_name_and_parameters_of_every_spelling(
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
def test_pick_refuses_a_value_that_names_no_single_entry(value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ARCHITECTURES.parse(value)


# -- Option and Slot ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["sgd", {"sgd": {}}, {"sgd": None}, Option("sgd", Sgd.Params())],
    ids=["name", "empty", "none", "option"],
)
def test_slot_gives_the_same_option_for_every_spelling(value: Any) -> None:
    assert Holder(optimizer=value).optimizer == Option("sgd", Sgd.Params())


def test_slot_survives_a_dump() -> None:
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
