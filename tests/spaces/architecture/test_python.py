"""The family python: a user's factory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from paretune.spaces.architecture.python import Python
from paretune.spaces.base import InfeasibleCandidate


def build(factory: str, **args: Any) -> torch.nn.Module:
    return Python.build(Python.Params(factory=factory, args=args), (1, 8, 8), 3)


def test_factory_receives_classes_and_shape_when_it_has_such_parameters() -> None:
    assert build("user_nets:tiny")(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_factory_receives_the_classes_as_num_classes() -> None:
    assert build("user_nets:torchvision_style")(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_arguments_of_the_study_override_classes_and_shape() -> None:
    assert build("user_nets:tiny", classes=5, hidden=4)(torch.rand(2, 1, 8, 8)).shape == (2, 5)


@pytest.mark.parametrize(
    ("factory", "args", "reason"),
    [
        ("no_such_module:net", {}, "No module named 'no_such_module'; is it installed, or in"),
        ("user_nets:small", {}, "has no attribute 'small'"),
        ("user_nets:Dense.small", {}, "has no attribute 'small'"),
        (".user_nets:tiny", {}, "relative import"),
        ("user_nets:number", {}, "is a int, not a factory"),
        ("user_nets:raises", {}, "raised LookupError: the blueprint is lost"),
        ("user_nets:tiny", {"depth": 3}, "raised TypeError: .*unexpected keyword .*'depth'"),
        ("builtins:dict", {}, "gave a dict, not a torch.nn.Module"),
    ],
)
def test_factory_that_returns_no_network_is_infeasible(
    factory: str, args: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InfeasibleCandidate, match=f"^python {factory}.*{reason}"):
        build(factory, **args)


@pytest.mark.parametrize("factory", ["user_nets", "user_nets:", ":tiny", "user nets:tiny", ""])
def test_factory_without_a_dotted_path_is_refused(factory: str) -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        Python.Params(factory=factory)
