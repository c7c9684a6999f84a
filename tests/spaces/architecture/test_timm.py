"""Any timm model by name, built for the data."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName

SHAPE = (2, 32, 48)


def build(name: str, **more: Any) -> Any:
    return build_network({"timm": name, **more}, SHAPE, 7, seed=0)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_model_fits_classes_channels_and_image_size(name: str) -> None:
    pytest.importorskip("timm")
    with torch.inference_mode():
        assert build(name)(torch.rand(3, *SHAPE)).shape == (3, 7)


def test_arguments_reach_the_model() -> None:
    pytest.importorskip("timm")
    deeper = build("test_vit", args={"depth": 3})
    assert len(deeper.blocks) == 3


def test_unknown_model_is_refused_with_a_suggestion() -> None:
    pytest.importorskip("timm")
    with pytest.raises(UnknownName, match='timm has no model "resnet10"; did you mean "resnet1'):
        build("resnet10")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"args": {"no_such": 1}}, "timm test_resnet: .*no_such"),
        ({"args": {"drop_path_rate": "x"}}, "timm test_resnet: "),
    ],
)
def test_model_with_wrong_arguments_is_infeasible(more: dict[str, Any], reason: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(InfeasibleCandidate, match=reason):
        build("test_resnet", **more)


def test_missing_package_is_infeasible_with_the_command_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InfeasibleCandidate, match=r'type: pip install "paretune\[timm\]"'):
        build("test_resnet")
