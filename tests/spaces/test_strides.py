"""Narrow 1x1 convolutions with a stride, as in the shortcuts of a narrow residual network."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from paretune.spaces.base import Context, Data
from paretune.spaces.pruning.training_loss import gradients as gradients_of
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.strides import correct_gradients
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe


def gradients(model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    model(images).square().sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def channels_last(images: torch.Tensor) -> torch.Tensor:
    """As data sets give them; of one channel `contiguous` would leave the strides as they are."""
    return (
        images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8, 12, 15, 16])
@pytest.mark.parametrize("turned", [False, True], ids=["weights", "turned-weights"])
def test_gradients_are_those_of_double_precision(channels: int, turned: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(channels, 8, 1, stride=2), nn.Conv2d(8, 4, 3))
    images = torch.randn(32, channels, 33, 32)
    exact = gradients(copy.deepcopy(model).double(), images.double())
    if turned:
        model.to(memory_format=torch.channels_last)
    with correct_gradients(model, "cpu"):
        found = gradients(model, channels_last(images))
    for ours, true in zip(found, exact, strict=True):
        torch.testing.assert_close(
            ours.double(), true, rtol=1e-4, atol=1e-4 * float(true.abs().max())
        )


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 8, 1, stride=(2, 3)),
        nn.Conv2d(32, 8, 1, stride=2, groups=4, padding="valid"),
        nn.Conv2d(4, 8, 1, stride=2, padding=1),
        nn.Conv2d(4, 8, 3, stride=2),
        nn.Conv2d(4, 8, 1),
        nn.Conv2d(16, 8, 1, stride=2),
    ],
    ids=["two-strides", "groups", "padded", "large", "no-stride", "wide"],
)
def test_layer_computes_the_same_meanwhile_and_is_as_before_afterwards(layer: nn.Conv2d) -> None:
    images = torch.randn(2, layer.in_channels, 7, 8)
    before, stride = layer(images), layer.stride
    with pytest.raises(KeyboardInterrupt), correct_gradients(nn.Sequential(layer), "cpu"):
        torch.testing.assert_close(layer(images), before)
        raise KeyboardInterrupt
    assert layer.stride == stride
    assert torch.equal(layer(images), before)
    assert not layer._forward_pre_hooks


def test_only_a_narrow_layer_on_a_cpu_is_touched() -> None:
    narrow, wide = nn.Conv2d(4, 8, 1, stride=2), nn.Conv2d(16, 8, 1, stride=2)
    with correct_gradients(nn.Sequential(narrow, wide), "cpu"):
        assert (narrow.stride, wide.stride) == ((1, 1), (2, 2))
    with correct_gradients(nn.Sequential(narrow), "cuda"):
        assert narrow.stride == (2, 2)


@pytest.mark.parametrize("step", ["train", "gradients"])
def test_order_of_the_pixels_in_memory_changes_no_training(
    make_data: Callable[..., Data], step: str
) -> None:
    plain, turned = make_data(64), make_data(64)
    batches = plain.batches
    turned.batches = lambda *a, **k: ((channels_last(x), y) for x, y in batches(*a, **k))  # type: ignore[method-assign]
    made = initial_candidate({"resnet": {"width": 4, "blocks": 1}}, plain.shape, plain.classes, 0)
    found = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # where a fault gives wrong numbers instead of a crash
    try:
        for data in (plain, turned):
            if step == "train":
                recipe = Recipe.model_validate({"epochs": 1, "optimizer": {"sgd": {"lr": 0.1}}})
                trained = train(made, recipe, Context(data), stage="pretrain").model
                found.append(dict(trained.state_dict()))
            else:
                found.append(gradients_of(copy.deepcopy(made.model), Context(data), 64, False))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)
