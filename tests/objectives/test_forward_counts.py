"""Multiply-adds and activations of a forward pass, against formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from paretune.objectives.activations import Activations
from paretune.objectives.base import Subject
from paretune.objectives.forward_counts import count_forward
from paretune.objectives.macs import Macs


class Net(nn.Module):
    """A network that is a function of its input [1, C, H, W] and of some layers."""

    def __init__(self, function: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x, *self.layers)


@pytest.mark.parametrize(
    ("net", "shape", "macs", "activations"),
    [
        # 8 channels of 6x6, each of 3x3 over 2 channels
        (Net(lambda x, c: c(x), nn.Conv2d(2, 8, 3)), (2, 8, 8), 8 * 36 * 18, 8 * 36),
        (Net(lambda x, c: c(x), nn.Conv2d(4, 4, 3, groups=4)), (4, 8, 8), 4 * 36 * 9, 4 * 36),
        (Net(lambda x, c: c(x.flatten(1)), nn.Linear(12, 5)), (3, 2, 2), 60, 5),
        (Net(lambda x: x @ x.transpose(-1, -2)), (2, 3, 5), 2 * 3 * 3 * 5, 2 * 9),
        (Net(lambda x: torch.einsum("bchw,bcvw->bchv", x, x)), (2, 3, 5), 2 * 9 * 5, 2 * 9),
        # two products, with keys and with values; the scores between them are never stored
        (Net(lambda x: F.scaled_dot_product_attention(x, x, x)), (2, 7, 4), 2 * 2 * 49 * 4, 56),
        # 7 steps, 4 gates of 5 neurons, each with 3 inputs and 5 states
        (Net(lambda x, r: r(x[:, 0])[0], nn.LSTM(3, 5, batch_first=True)), (1, 7, 3), 7 * 160, 35),
        (Net(lambda x: F.relu(F.max_pool2d(x * 2 + 1, 2)).mean((2, 3))), (2, 4, 4), 0, 0),
    ],
)
def test_counts_follow_the_formula(
    net: nn.Module, shape: tuple[int, int, int], macs: int, activations: int
) -> None:
    counts = count_forward(net, shape)
    assert (counts.macs, counts.activations) == (macs, activations)
    assert counts.bytes == 4 * activations
    assert counts.without_rule == {}


@pytest.mark.parametrize(
    ("net", "operator"),
    [
        (Net(lambda x: torch.cdist(x[0, 0], x[0, 0])), "aten._cdist_forward"),
        (Net(lambda x, b: b(x, x), nn.Bilinear(4, 4, 3)), "aten._trilinear"),
        (Net(lambda x: torch.fft.fft2(x).real), "aten._fft_c2c"),
    ],
)
def test_operator_without_a_rule_is_listed(net: nn.Module, operator: str) -> None:
    counts = count_forward(net, (1, 4, 4))
    assert counts.macs == 0
    assert operator in counts.without_rule


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet18", 2.48), ("mobilenet_v2", 6.68), ("resnet50", 11.11)],
)
def test_activations_equal_published_ones(name: str, millions: float) -> None:
    """timm's tables: resnet18 2.48 M, mobilenetv2_100 6.68 M, resnet50 11.11 M at 224x224."""
    import torchvision

    counts = count_forward(getattr(torchvision.models, name)(weights=None), (3, 224, 224))
    assert counts.activations / 1e6 == pytest.approx(millions, abs=0.006)
    assert counts.without_rule == {}


def test_conditions_list_operators_that_were_not_counted(
    make_subject: Callable[..., Subject],
) -> None:
    subject = make_subject(model=Net(lambda x: torch.cdist(x[0, 0], x[0, 0])))
    macs = Macs.measure(subject, Macs.Params(), "validation")
    assert macs.conditions["without_rule"] == {"aten._cdist_forward": 1}
    activations, as_bytes = Activations.measure(subject, Activations.Params(), "validation")
    assert activations.conditions["without_rule"] == {"aten._cdist_forward": 1}
    assert as_bytes.name == "activations.bytes"
