"""Changes of a copy: its counts follow the formulas, and the network is unchanged."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from paretune.search.profiling.advice import changed_networks
from paretune.spaces.architecture.network import build_network

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module")
def simple() -> nn.Module:
    return build_network({"simple_cnn": {"width": 1.0}}, SHAPE, 10, seed=0)


def macs(model: nn.Module | None, path: str) -> int:
    layers = changed_networks.costs(model, SHAPE)
    assert layers is not None
    return sum(x.macs for x in layers if x.path == path or x.path.startswith(f"{path}."))


def test_separable_convolution_has_the_formula_s_share_of_multiply_adds(simple: nn.Module) -> None:
    """1 / channels + 1 / kernel area: 1/8.4 for 128 channels and 3x3."""
    random_state = torch.random.get_rng_state()
    share = macs(changed_networks.separable(simple, "3"), "3") / macs(simple, "3")
    assert share == pytest.approx(1 / 128 + 1 / 9)
    assert 1 / share == pytest.approx(8.4, abs=0.05)
    assert isinstance(simple[3], nn.Conv2d), "the original network must not change"
    assert torch.equal(random_state, torch.random.get_rng_state())


@pytest.mark.parametrize("path", ["0", "7"], ids=["three channels", "linear"])
def test_separable_is_none_when_the_layer_is_not_suited(simple: nn.Module, path: str) -> None:
    assert changed_networks.separable(simple, path) is None


def test_pooling_leaves_a_linear_layer_one_input_per_channel(simple: nn.Module) -> None:
    """8192 inputs are 128 channels of 8x8 pixels."""
    assert macs(changed_networks.pooled(simple, "7", SHAPE), "7") == 128 * 256
    assert changed_networks.pooled(simple, "9", SHAPE) is None
    assert changed_networks.pooled(simple, "3", SHAPE) is None


def test_pruning_half_of_a_layer_halves_it_and_the_layer_behind_it(simple: nn.Module) -> None:
    pruned = changed_networks.pruned(simple, SHAPE, 10, "3")
    assert macs(pruned, "3") * 2 == macs(simple, "3")
    assert macs(pruned, "7") * 2 == macs(simple, "7")
    assert macs(pruned, "0") == macs(simple, "0")


def test_resolution_is_lowered_for_large_images_only() -> None:
    assert changed_networks.lower_resolution((3, 32, 32)) is None
    assert changed_networks.lower_resolution((128, 1000)) is None
    assert changed_networks.lower_resolution((3, 224, 224)) == (3, 160, 160)
    assert changed_networks.lower_resolution((3, 64, 96)) == (3, 48, 72)


def test_costs_are_none_when_the_network_rejects_the_change(simple: nn.Module) -> None:
    assert changed_networks.costs(simple, (3, 16, 16)) is None
    assert changed_networks.costs(None, SHAPE) is None
