"""Any torchvision model by name, fitted to the data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from paretune.spaces.architecture.network import build_network
from paretune.spaces.architecture.torchvision import Torchvision
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName


def build(name: str, shape: tuple[int, int, int] = (3, 64, 64), **more: Any) -> Any:
    return build_network({"torchvision": name, **more}, shape, 7, seed=0)


def last(network: nn.Module, kind: type[nn.Module]) -> Any:
    return [module for module in network.modules() if isinstance(module, kind)][-1]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5"])
def test_first_and_last_layer_are_replaced_for_the_data(name: str) -> None:
    network = build(name, (1, 32, 32))
    assert last(network, nn.Linear).out_features == 7
    first = next(m for m in network.modules() if isinstance(m, nn.Conv2d))
    assert first.in_channels == 1


def test_network_has_torchvision_s_parameter_count_except_for_the_first_layer() -> None:
    original = models.resnet18(num_classes=7)
    expected = sum(p.numel() for p in original.parameters()) - 2 * 64 * 7 * 7
    assert sum(p.numel() for p in build("resnet18", (1, 32, 32)).parameters()) == expected


def test_head_that_is_a_convolution_is_replaced() -> None:
    network = build("squeezenet1_1")
    assert last(network, nn.Conv2d).out_channels == 7


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_removed_so_that_training_gives_logits(name: str) -> None:
    network = build(name, (3, 96, 96))
    assert not [child for child, module in network.named_children() if child.lower()[:3] == "aux"]
    assert network.train()(torch.rand(2, 3, 96, 96)).shape == (2, 7)


def test_unknown_model_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r'no classification model "resnet81"; did you mean "res'):
        build("resnet81")


def test_model_for_another_task_is_refused_as_unknown() -> None:
    with pytest.raises(UnknownName, match='no classification model "fcn_resnet50"'):
        build("fcn_resnet50")


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("resnet18", {"weights": "NO_SUCH"}, "resnet18 with weights=NO_SUCH: .*NO_SUCH"),
        ("resnet18", {"args": {"depth": 3}}, "unexpected keyword argument 'depth'"),
        ("vit_b_32", {"args": {"image_size": 33}}, "indivisible by patch size"),
        ("alexnet", {}, "torchvision does not take images of 8x8 pixels and 3 channels"),
    ],
)
def test_model_that_cannot_be_built_is_infeasible(
    name: str, more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        build(name, (3, 8, 8), **more)


@pytest.mark.slow  # draws 88 million weights
def test_transformer_for_another_image_size_is_infeasible() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"does not take images of 64x64 .*Wrong image"):
        build("vit_b_32")


def test_arguments_reach_the_model() -> None:
    params = Torchvision.Params(name="mobilenet_v2", args={"width_mult": 0.1})
    network = Torchvision.build(params, (3, 32, 32), 7)
    assert sum(p.numel() for p in network.parameters()) < 250_000
