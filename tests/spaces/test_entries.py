"""Contract of every entry in every table: a description, and Params that validate themselves."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from pydantic import ValidationError

from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.params import Params
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table
from paretune.spaces.training import OPTIMIZERS, SCHEDULES

TABLES = (ARCHITECTURES, PRUNINGS, QUANTIZATIONS, DISTILLATIONS, OPTIMIZERS, SCHEDULES)
ENTRIES = [pytest.param(t, name, id=f"{t.kind}-{name}") for t in TABLES for name in t.names]

REQUIRED: dict[str, dict[str, Any]] = {
    "torchvision": {"name": "resnet18"},
    "timm": {"name": "resnet10t"},
    "segmenter": {"name": "lraspp_mobilenet_v3_large"},
    "python": {"factory": "user_nets:tiny"},
    "torch": {"name": "RAdam"},
    "transformers": {"model": "albert"},
    "structured": {"ratio": 0.5},
    "unstructured": {"ratio": 0.5},
    "depth": {"blocks": 1},
}
"""Values of the parameters without a default."""

NUMBERS = [
    pytest.param(table, name, field, id=f"{table.kind}-{name}-{field}")
    for table in TABLES
    for name in table.names
    for field, info in table.get(name).Params.model_fields.items()
    if info.annotation in (int, float, bool)
]


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_entry_has_a_description_of_one_line(table: Table, name: str) -> None:
    entry = table.get(name)
    assert entry.__doc__ is not None
    first, *rest = inspect.cleandoc(entry.__doc__).splitlines()
    assert 10 < len(first) <= 100
    assert first.endswith(".")
    assert not rest or rest[0] == ""


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_params_refuse_unknown_keys(table: Table, name: str) -> None:
    params = table.get(name).Params
    assert issubclass(params, Params)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        params.model_validate({**REQUIRED.get(name, {}), "no_such_key": 1})


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_params_are_frozen(table: Table, name: str) -> None:
    params = table.get(name).Params.model_validate(REQUIRED.get(name, {}))
    before = params.model_dump()
    for field in [*type(params).model_fields, "another"]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(params, field, 1)
    assert params.model_dump() == before


@pytest.mark.parametrize(("table", "name"), ENTRIES)
def test_params_are_equal_after_a_round_trip_through_json(table: Table, name: str) -> None:
    params = table.get(name).Params.model_validate(REQUIRED.get(name, {}))
    text = json.dumps(params.model_dump(), allow_nan=False)
    assert type(params).model_validate(json.loads(text)) == params


@pytest.mark.parametrize(("table", "name", "field"), NUMBERS)
def test_params_refuse_a_text_for_a_number(table: Table, name: str, field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        table.get(name).Params.model_validate({**REQUIRED.get(name, {}), field: "1"})


@pytest.mark.parametrize("table", [PRUNINGS, QUANTIZATIONS], ids=lambda table: table.kind)
def test_technique_has_the_name_of_its_table_entry(table: Table) -> None:
    assert {name: table.get(name).name for name in table.names} == {n: n for n in table.names}


@pytest.mark.parametrize("table", [ARCHITECTURES, PRUNINGS, QUANTIZATIONS], ids=lambda t: t.kind)
def test_version_is_an_integer_from_one(table: Table) -> None:
    assert all(
        isinstance(table.get(n).version, int) and table.get(n).version >= 1 for n in table.names
    )


@pytest.mark.parametrize("table", [PRUNINGS, QUANTIZATIONS, DISTILLATIONS], ids=lambda t: t.kind)
def test_table_starts_with_none(table: Table) -> None:
    assert table.names[0] == "none"
    assert not table.get("none").Params.model_fields
