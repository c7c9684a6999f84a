"""Gradients of narrow 1x1 convolutions with a stride, as in narrow residual networks."""

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
    """Returns images with the strides of data sets, which `contiguous` keeps for one channel."""
    return (
        images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8, 12, 15, 16])
@pytest.mark.parametrize("weights_last", [False, True], ids=["weights", "weights-channels-last"])
def test_gradients_equal_those_of_double_precision(channels: int, weights_last: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(channels, 8, 1, stride=2), nn.Conv2d(8, 4, 3))
    images = torch.randn(32, channels, 33, 32)
    exact = gradients(copy.deepcopy(model).double(), images.double())
    if weights_last:
        model.to(memory_format=torch.channels_last)
    with correct_gradients(model, "cpu"):
        computed = gradients(model, channels_last(images))
    for gradient, true in zip(computed, exact, strict=True):
        torch.testing.assert_close(
            gradient.double(), true, rtol=1e-4, atol=1e-4 * float(true.abs().max())
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
def test_layer_computes_the_same_inside_and_is_restored_after_an_error(layer: nn.Conv2d) -> None:
    images = torch.randn(2, layer.in_channels, 7, 8)
    before, stride = layer(images), layer.stride
    with pytest.raises(KeyboardInterrupt), correct_gradients(nn.Sequential(layer), "cpu"):
        torch.testing.assert_close(layer(images), before)
        raise KeyboardInterrupt
    assert layer.stride == stride
    assert torch.equal(layer(images), before)
    assert not layer._forward_pre_hooks


def test_only_a_narrow_layer_on_a_cpu_changes() -> None:
    narrow, wide = nn.Conv2d(4, 8, 1, stride=2), nn.Conv2d(16, 8, 1, stride=2)
    with correct_gradients(nn.Sequential(narrow, wide), "cpu"):
        assert (narrow.stride, wide.stride) == ((1, 1), (2, 2))
    with correct_gradients(nn.Sequential(narrow), "cuda"):
        assert narrow.stride == (2, 2)


@pytest.mark.parametrize("step", ["train", "gradients"])
def test_training_is_the_same_for_every_memory_order_of_pixels(
    make_data: Callable[..., Data], step: str
) -> None:
    plain, last = make_data(64), make_data(64)
    batches = plain.batches
    last.batches = lambda *a, **k: ((channels_last(x), y) for x, y in batches(*a, **k))  # type: ignore[method-assign]
    start = initial_candidate(
        {"resnet": {"width": 4, "blocks": 1}}, plain.shape, plain.task.outputs, 0
    )
    results = []
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # on two threads the bug gives wrong numbers instead of a crash
    try:
        for data in (plain, last):
            if step == "train":
                recipe = Recipe.model_validate({"epochs": 1, "optimizer": {"sgd": {"lr": 0.1}}})
                trained = train(start, recipe, Context(data), stage="pretrain").model
                results.append(dict(trained.state_dict()))
            else:
                results.append(gradients_of(copy.deepcopy(start.model), Context(data), 64, False))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)
