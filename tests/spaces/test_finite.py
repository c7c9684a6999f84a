"""NaN and infinity in a network's tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from paretune.spaces.finite import broken_tensor, broken_weight, infinite_constants

INF, NAN = float("inf"), float("nan")


class Masked(nn.Module):
    """A layer with a mask of -inf, as attention has it, and a buffer for later."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("mask", torch.full((3,), -INF), persistent=False)
        self.register_buffer("later", None)
        self.frozen = nn.Parameter(torch.tensor([INF, 0.0]), requires_grad=False)


@pytest.fixture
def network() -> Masked:
    return Masked()


def test_masks_and_untrained_parameters_are_constants(network: Masked) -> None:
    assert infinite_constants(network) == {"mask", "frozen"}
    assert broken_tensor(network, infinite_constants(network)) is None


def test_first_broken_tensor_is_named_with_a_count(network: Masked) -> None:
    constants = infinite_constants(network)
    assert network.norm.running_var is not None
    network.norm.running_var[1:] = INF
    assert broken_tensor(network, constants) == ("norm.running_var", "2 of 3 values")
    network.linear.weight.data[0, 0] = NAN
    assert broken_tensor(network, constants) == ("linear.weight", "1 of 9 values")


def test_trained_parameter_is_never_a_constant(network: Masked) -> None:
    network.linear.bias.data[0] = -INF
    assert "linear.bias" not in infinite_constants(network)


def test_quantizers_round_networks_with_masks_but_no_nan(network: Masked) -> None:
    network.frozen.data[0] = 0.0
    assert broken_weight(network) is None
    network.mask[0] = NAN
    assert broken_weight(network) == ("mask", "3 of 3 values")
    network.linear.weight.data[0, 0] = INF
    assert broken_weight(network) == ("linear.weight", "1 of 9 values")
