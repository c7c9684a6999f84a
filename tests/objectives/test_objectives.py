"""Contract of every objective."""

from __future__ import annotations

import copy
import inspect
import json
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError

from objectives import OBJECTIVES
from objectives.base import Better, Measurement, Params, Subject

MakeSubject = Callable[..., Subject]

ENTRIES = pytest.mark.parametrize("name", list(OBJECTIVES))

OPTIONS: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 0.05},
    "throughput": {"seconds": 0.05},
}
"""Options with which an objective is quick."""

TIMING = 2
"""The `cost` of what a clock measures."""


def objective(name: str) -> Any:
    module, _, attribute = OBJECTIVES[name].partition(":")
    return getattr(import_module(module), attribute)


def measured(name: str, subject: Subject) -> Measurement:
    entry = objective(name)
    params = entry.Params.model_validate(OPTIONS.get(name, {}))
    found: Measurement = entry.measure(subject, params, "validation")
    return found


@ENTRIES
def test_objective_describes_itself(name: str) -> None:
    entry = objective(name)
    assert entry.name == name
    assert entry.unit
    assert entry.better in get_args(Better)
    assert entry.cost in (0, 1, 2, 3)
    first, *rest = inspect.cleandoc(entry.__doc__ or "").splitlines()
    assert 10 < len(first) <= 100
    assert first.endswith(".")
    assert not rest or rest[0] == ""


@ENTRIES
def test_objective_has_params_that_refuse_unknown_keys_and_changes(name: str) -> None:
    params = objective(name).Params
    assert issubclass(params, Params)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        params.model_validate({"no_such_key": 1})
    for field in [*params.model_fields, "another"]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(params(), field, 1)
    assert params.model_validate(json.loads(json.dumps(params().model_dump()))) == params()


@ENTRIES
def test_objective_gives_a_finite_value_with_unit_direction_and_conditions(
    name: str, make_subject: MakeSubject
) -> None:
    entry = objective(name)
    found = measured(name, make_subject())
    assert (found.name, found.unit, found.better) == (entry.name, entry.unit, entry.better)
    assert isinstance(found.value, float)
    assert math.isfinite(found.low) and math.isfinite(found.high)
    assert found.low <= found.value <= found.high
    assert found.count >= 1
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()


@ENTRIES
def test_objective_leaves_the_model_alone(name: str, make_subject: MakeSubject) -> None:
    subject = make_subject()
    before = copy.deepcopy(subject.model.state_dict())
    random = torch.get_rng_state()
    measured(name, subject)
    assert not subject.model.training
    assert all(p.grad is None and p.requires_grad for p in subject.model.parameters())
    assert all(torch.equal(t, before[n]) for n, t in subject.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if objective(n).cost != TIMING])
def test_objective_gives_the_same_twice_unless_it_is_timed(
    name: str, make_subject: MakeSubject
) -> None:
    subject = make_subject()
    assert measured(name, subject) == measured(name, subject)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if objective(n).cost == 0])
def test_objective_of_cost_zero_needs_no_artifact(name: str, make_subject: MakeSubject) -> None:
    nothing: Any = None
    subject = make_subject(artifact=nothing, runtime=nothing, options=nothing)
    assert measured(name, subject) == measured(name, make_subject())
