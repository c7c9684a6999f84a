"""Stages that apply a technique: checked once, whether and how long they train, stand-ins."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from paretune.search.study.stage import Stage
from paretune.spaces.quantization.qat import Qat

RECIPE = {"epochs": 3}
STRUCTURED = {"pruning": {"structured": {"ratio": 0.5}}}


def test_technique_is_checked_once() -> None:
    stage = Stage("prune", STRUCTURED)

    name, entry, params = stage.technique

    assert (name, params.ratio) == ("structured", 0.5)
    assert isinstance(params, entry.Params)
    assert stage.technique[2] is params


def test_technique_is_refused_when_its_parameters_do_not_fit() -> None:
    with pytest.raises(ValidationError):
        _ = Stage("prune", {"pruning": {"structured": {"ratio": 2.0}}}).technique


def test_checked_technique_is_no_part_of_a_stages_identity() -> None:
    used, fresh = Stage("prune", STRUCTURED), Stage("prune", STRUCTURED)
    assert used.technique

    assert used == fresh
    assert hash(used) == hash(fresh)


@pytest.mark.parametrize(
    ("kind", "params", "trains", "epochs"),
    [
        ("pretrain", {"recipe": RECIPE}, True, 3),
        ("pretrain", {"recipe": None}, True, 0),
        ("finetune", {"recipe": RECIPE}, True, 3),
        ("prune", STRUCTURED, False, 0),
        ("prune", {"pruning": {"structured": {"ratio": 2.0}}}, False, 0),
        ("quantize", {"quantization": {"static": {}}}, False, 0),
        ("quantize", {"quantization": {"qat": {"epochs": 2}}}, True, 2),
    ],
)
def test_stage_trains_for_its_epochs(
    kind: str, params: dict[str, Any], trains: bool, epochs: int
) -> None:
    stage = Stage(kind, params)

    assert (stage.trains, stage.epochs) == (trains, epochs)


def test_technique_without_a_number_of_epochs_counts_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Qat, "epochs")

    assert Stage("quantize", {"quantization": {"qat": {"epochs": 2}}}).epochs == 1


def test_stage_that_does_not_train_stands_in_for_itself() -> None:
    stage = Stage("prune", STRUCTURED)

    assert stage.stand_in is stage


def test_static_int8_stands_in_for_quantization_aware_training() -> None:
    stage = Stage("quantize", {"quantization": {"qat": {"epochs": 2, "per_channel": False}}})

    assert stage.stand_in is not None
    name, _, params = stage.stand_in.technique
    assert (name, params.per_channel) == ("static", False)
    assert not stage.stand_in.trains


def test_training_with_a_recipe_has_no_stand_in() -> None:
    assert Stage("finetune", {"recipe": RECIPE}).stand_in is None
