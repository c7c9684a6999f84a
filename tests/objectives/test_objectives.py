"""Contract of every objective."""

from __future__ import annotations

import copy
import inspect
import json
import math
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError

from paretune.objectives import OBJECTIVES
from paretune.objectives.base import Better, Measurement, Subject
from paretune.objectives.params import Params

MakeSubject = Callable[..., Subject]

ENTRIES = pytest.mark.parametrize("name", list(OBJECTIVES))

OPTIONS: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 0.05},
    "throughput": {"seconds": 0.05},
    "energy": {"seconds": 0.1},
    "memory": {"repeats": 2},
}
"""Options that make an objective quick."""

STAGES = {"pretrain": 12.5, "finetune": 3.25}
"""Seconds of the stages of a subject."""

TIMING = 2
"""The `cost` of timed objectives."""


def objective(name: str) -> Any:
    module, _, attribute = OBJECTIVES[name].partition(":")
    return getattr(import_module(module), attribute)


def measured(name: str, subject: Subject) -> list[Measurement]:
    """Returns an objective's own value, followed by its further values."""
    entry = objective(name)
    params = entry.Params.model_validate(OPTIONS.get(name, {}))
    result = entry.measure(subject, params, "validation")
    return [result] if isinstance(result, Measurement) else list(result)


@pytest.fixture(autouse=True)
def _counters(request: pytest.FixtureRequest) -> None:
    """Provides counters for `energy`, also on a machine without any."""
    if getattr(request.node, "callspec", None) and request.node.callspec.params["name"] == "energy":
        request.getfixturevalue("powercap")


@ENTRIES
def test_objective_describes_itself(name: str) -> None:
    entry = objective(name)
    assert entry.name == name
    assert entry.unit
    assert entry.better in get_args(Better)
    assert entry.cost in (0, 1, 2, 3)
    for value, spec in getattr(entry, "values", {}).items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", value)
        assert spec.unit and spec.better in get_args(Better) and spec.about
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
def test_objective_returns_finite_values_with_unit_direction_and_conditions(
    name: str, make_subject: MakeSubject
) -> None:
    entry = objective(name)
    main, *others = measured(name, make_subject(stage_seconds=STAGES))
    assert (main.name, main.unit, main.better) == (entry.name, entry.unit, entry.better)
    declared = {f"{name}.{value}": spec for value, spec in getattr(entry, "values", {}).items()}
    declared.pop("latency.sustained", None)  # a device alone has it
    for other in others:
        spec = declared.pop(other.name)  # fails if a value comes twice
        assert (other.unit, other.better) == (spec.unit, spec.better)
    assert all(
        spec.least_classes > make_subject().data.task.outputs.size for spec in declared.values()
    )
    for value in (main, *others):
        assert isinstance(value.value, float)
        assert math.isfinite(value.low) and math.isfinite(value.high)
        assert value.low <= value.value <= value.high
        assert value.count >= 1
        assert json.loads(json.dumps(value.to_json(), allow_nan=False)) == value.to_json()


@ENTRIES
def test_objective_does_not_change_the_model(name: str, make_subject: MakeSubject) -> None:
    subject = make_subject(stage_seconds=STAGES)
    before = copy.deepcopy(subject.model.state_dict())
    random = torch.get_rng_state()
    measured(name, subject)
    assert not subject.model.training
    assert all(p.grad is None and p.requires_grad for p in subject.model.parameters())
    assert all(torch.equal(t, before[n]) for n, t in subject.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if objective(n).cost != TIMING])
def test_objective_returns_the_same_value_twice_unless_it_is_timed(
    name: str, make_subject: MakeSubject
) -> None:
    subject = make_subject(stage_seconds=STAGES)
    assert measured(name, subject) == measured(name, subject)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if objective(n).cost == 0])
def test_objective_of_cost_zero_needs_no_artifact(name: str, make_subject: MakeSubject) -> None:
    nothing: Any = None
    subject = make_subject(artifact=nothing, runtime=nothing, options=nothing)
    assert measured(name, subject) == measured(name, make_subject())
