"""build_network: a network that does not fit the data is infeasible, with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName


def build(architecture: dict[str, Any], classes: int = 3) -> None:
    build_network(architecture, (3, 8, 8), classes, seed=0)


@pytest.mark.parametrize(
    ("factory", "args", "reason"),
    [
        ("Silent", {}, "python does not take images of 8x8 pixels and 3 channels: ValueError$"),
        ("Asserting", {}, "does not take images of 8x8 pixels .*: Wrong image height!$"),
        ("Unpooled", {}, r"python gives \[2, 3, 8, 8\] for 2 images, not \[2, 3\] logits"),
        ("Pair", {}, r"python gives tuple for 2 images, not \[2, 3\] logits"),
        ("tiny", {"classes": 5}, "python gives 5 outputs, the data has 3 classes; make its last"),
        ("tiny", {"shape": (1, 8, 8)}, "3 channels: .*expected input.* to have 1 channels"),
    ],
)
def test_network_is_infeasible_when_it_does_not_fit_the_data(
    factory: str, args: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        build({"python": {"factory": f"user_nets:{factory}", "args": args}})


def test_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match='unknown architecture "resnt"; did you mean "resnet"'):
        build({"resnt": {}})


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 4"):
        build({"resnet": {"width": 3}})
