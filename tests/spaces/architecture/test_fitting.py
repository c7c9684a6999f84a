"""First and last layers are replaced for other images and classes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from paretune.spaces.architecture.fitting import fit_channels, fit_classes, replace_module


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(4 * 4 * 4, 10, bias=False)
    )


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_kept_weights_give_the_same_output_when_all_channels_are_equal(channels: int) -> None:
    model = network()
    grey = torch.rand(2, 1, 8, 8)
    expected = model(grey.expand(-1, 3, -1, -1))
    fit_channels(model, channels, keep=True)
    torch.testing.assert_close(model(grey.expand(-1, channels, -1, -1)), expected)


def test_new_first_convolution_keeps_its_geometry() -> None:
    model = network()
    old = model[0]
    fit_channels(model, 1, keep=False)
    stem = model[0]
    assert isinstance(stem, nn.Conv2d)
    assert stem is not old
    assert (stem.in_channels, stem.out_channels, stem.stride, stem.padding) == (
        1,
        4,
        (2, 2),
        (1, 1),
    )


def test_layers_that_fit_are_kept() -> None:
    model = network()
    before = list(model)
    fit_channels(model, 3, keep=False)
    fit_classes(model, 10)
    assert all(new is old for new, old in zip(model, before, strict=True))


def test_new_head_has_no_bias_when_the_old_one_has_none() -> None:
    model = network()
    fit_classes(model, 5)
    head = model[2]
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (64, 5)
    assert head.bias is None


def test_replace_module_replaces_a_nested_module() -> None:
    outer = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.ReLU())
    fresh = nn.Identity()
    replace_module(outer, "0.1", fresh)
    assert outer.get_submodule("0.1") is fresh
