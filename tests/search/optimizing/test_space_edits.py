"""Edits of the section `space` leave everything else as it was written."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from paretune.search.optimizing.space_edits import (
    AddValue,
    DropOption,
    Edit,
    SetEpochs,
    SetRange,
    edited_space,
    written_literals,
)
from support.optimizing import SPACE, TREE

RATIO = "pruning.structured.ratio"


def changed(*edits: Edit) -> dict[str, Any]:
    before = deepcopy(SPACE)
    result = edited_space(SPACE, TREE, edits)
    assert before == SPACE
    return result


def test_no_edit_gives_an_equal_space() -> None:
    assert changed() == SPACE


def test_each_edit_changes_its_own_part() -> None:
    space = changed(
        DropOption("quantization", "dynamic", ""),
        SetRange(RATIO, (0.1, 0.5), (0.2, 0.7), ""),
        AddValue("architecture.simple_cnn.width", 0.125, ""),
        SetEpochs("finetune.epochs", (3, 6), ""),
    )
    assert space["quantization"] == {"choice": ["none", "static"]}
    assert space["pruning"]["choice"]["structured"] == {
        "ratio": {"float": [0.2, 0.7]},
        "round_to": 8,
    }
    assert space["architecture"]["simple_cnn"]["width"] == {"choice": [0.125, 0.25, 0.5, 1.0]}
    assert space["finetune"]["epochs"] == {"choice": [3, 6]}
    assert space["finetune"]["optimizer"] == SPACE["finetune"]["optimizer"]


def test_option_of_a_mapping_goes() -> None:
    space = changed(DropOption("pruning", "none", ""))
    assert list(space["pruning"]["choice"]) == ["structured"]


def test_logarithm_of_a_range_stays() -> None:
    space = changed(SetRange("finetune.optimizer.adamw.lr", (1e-4, 1e-2), (1e-3, 1e-2), ""))
    assert space["finetune"]["optimizer"]["adamw"]["lr"] == {"float": [1e-3, 1e-2], "log": True}


def test_single_number_of_epochs_is_a_literal() -> None:
    assert changed(SetEpochs("finetune.epochs", (3,), ""))["finetune"]["epochs"] == 3


@pytest.mark.parametrize("name", ["pruning.structured.ration", "pretrain.epochs"])
def test_parameter_that_is_not_written_is_an_error(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        changed(SetEpochs(name, (3,), ""))


def test_literals_are_found_by_the_names_of_parameters() -> None:
    assert dict(written_literals(SPACE, TREE)) == {
        "architecture.simple_cnn.width": (0.25, 0.5, 1.0),
        "pruning.structured.round_to": 8,
        "finetune.epochs": 12,
    }
