"""Stems and heads for other images and classes."""

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
def test_kept_stem_answers_the_same_when_every_channel_shows_the_same_image(channels: int) -> None:
    ours = network()
    grey = torch.rand(2, 1, 8, 8)
    expected = ours(grey.expand(-1, 3, -1, -1))
    fit_channels(ours, channels, keep=True)
    torch.testing.assert_close(ours(grey.expand(-1, channels, -1, -1)), expected)


def test_fresh_stem_keeps_its_geometry() -> None:
    ours = network()
    old = ours[0]
    fit_channels(ours, 1, keep=False)
    stem = ours[0]
    assert isinstance(stem, nn.Conv2d)
    assert stem is not old
    assert (stem.in_channels, stem.out_channels, stem.stride, stem.padding) == (
        1,
        4,
        (2, 2),
        (1, 1),
    )


def test_stem_and_head_that_fit_are_left_alone() -> None:
    ours = network()
    before = list(ours)
    fit_channels(ours, 3, keep=False)
    fit_classes(ours, 10)
    assert all(now is then for now, then in zip(ours, before, strict=True))


def test_head_is_replaced_with_or_without_bias_as_before() -> None:
    ours = network()
    fit_classes(ours, 5)
    head = ours[2]
    assert isinstance(head, nn.Linear)
    assert (head.in_features, head.out_features) == (64, 5)
    assert head.bias is None


def test_put_replaces_a_nested_module() -> None:
    outer = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.ReLU())
    fresh = nn.Identity()
    replace_module(outer, "0.1", fresh)
    assert outer.get_submodule("0.1") is fresh
