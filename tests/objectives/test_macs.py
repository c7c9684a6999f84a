"""Multiply-adds and parameters of networks, against formulas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from paretune.objectives.base import Subject
from paretune.objectives.macs import Macs, count_macs
from paretune.objectives.parameters import Parameters


class Tied(nn.Module):
    """Uses one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.again(self.first(x.flatten(1)))
        return logits


class Attention(nn.Module):
    """One multi-head attention over 5 tokens of width 8, as in transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.flatten(1).reshape(-1, 5, 8)
        mixed: torch.Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return mixed.flatten(1)


COUNTED = pytest.mark.parametrize(
    ("network", "shape", "macs", "parameters"),
    [
        pytest.param(nn.Flatten(), (1, 2, 3), 0, 0, id="nothing"),
        pytest.param(
            nn.Sequential(nn.Flatten(), nn.Linear(6, 4)), (1, 2, 3), 6 * 4, 6 * 4 + 4, id="linear"
        ),
        pytest.param(
            nn.Conv2d(3, 8, 3, padding=1),
            (3, 5, 7),
            3 * 9 * 8 * 5 * 7,
            3 * 9 * 8 + 8,
            id="convolution",
        ),
        pytest.param(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            (3, 9, 11),
            3 * 9 * 8 * 4 * 5,
            3 * 9 * 8,
            id="stride",
        ),
        pytest.param(
            nn.Conv2d(6, 6, 3, padding=1, groups=6),
            (6, 4, 4),
            9 * 6 * 16,
            9 * 6 + 6,
            id="depthwise",
        ),
        pytest.param(nn.Conv2d(6, 4, 1, groups=2), (6, 4, 4), 3 * 4 * 16, 3 * 4 + 4, id="grouped"),
        pytest.param(
            nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)),
            (1, 4, 4),
            4 * 16,
            4 + 4 + 4 + 4,
            id="normalization-not-counted",
        ),
        pytest.param(Tied(), (1, 2, 3), 2 * 36, 36 + 6, id="tied"),
        pytest.param(
            Attention(),
            (5, 2, 4),
            4 * 5 * 8 * 8 + 2 * 5 * 5 * 8,
            4 * (8 * 8 + 8),
            id="attention",
        ),
    ],
)


@COUNTED
def test_counts_follow_the_formula(
    network: nn.Module,
    shape: tuple[int, int, int],
    macs: int,
    parameters: int,
    make_subject: Callable[..., Subject],
    make_data: Callable[..., object],
) -> None:
    data = make_data()
    data.shape = shape  # type: ignore[attr-defined]
    subject = make_subject(data, model=network)
    counted = Macs.measure(subject, Macs.Params(), "validation")
    assert (counted.low, counted.value, counted.high) == (macs, macs, macs)
    assert counted.conditions["batch"] == 1
    counted = Parameters.measure(subject, Parameters.Params(), "validation")
    assert (counted.low, counted.value, counted.high) == (parameters, parameters, parameters)


def test_macs_of_the_tutorial_s_network_follow_the_formula() -> None:
    from paretune.spaces.architecture.simple_cnn import SimpleCnn

    network = SimpleCnn.build(SimpleCnn.Params(), (3, 32, 32), 10)
    convolutions = 3 * 9 * 64 * 32 * 32 + 64 * 9 * 128 * 16 * 16
    assert count_macs(network, (3, 32, 32)) == convolutions + 8192 * 256 + 256 * 10


def test_macs_of_resnet_20_equal_the_published_ones() -> None:
    """41 million (He et al. 2016); the shortcuts (option A) cost nothing."""
    from paretune.spaces.architecture.resnet import ResNet

    network = ResNet.build(ResNet.Params(), (3, 32, 32), 10)
    shortcuts = 16 * 32 * 16 * 16 + 32 * 64 * 8 * 8
    assert (count_macs(network, (3, 32, 32)) - shortcuts) / 1e6 == pytest.approx(40.6, abs=0.2)


@pytest.mark.parametrize("enabled", [True, False])
def test_counting_restores_torch_s_fused_attention(enabled: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        count_macs(Attention(), (5, 2, 4))
        assert torch.backends.mha.get_fastpath_enabled() == enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
