"""The resolution as a parameter: the network resizes its own input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from paretune.spaces.architecture.checkpoint import load_weights
from paretune.spaces.architecture.image_params import ImageParams, resized_shape
from paretune.spaces.architecture.network import build_network
from paretune.spaces.architecture.resizing import Resized
from paretune.spaces.base import Context
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild


def resizing(before: tuple[int, int], after: tuple[int, int]) -> Resized:
    return Resized(nn.Identity(), before, after)


@pytest.mark.parametrize(
    ("shape", "side", "resized"),
    [
        ((3, 32, 32), None, (3, 32, 32)),
        ((3, 32, 32), 24, (3, 24, 24)),
        ((1, 16, 12), 24, (1, 32, 24)),
        ((1, 480, 640), 48, (1, 48, 64)),
        ((1, 8, 9), 4, (1, 4, 4)),
    ],
)
def test_resized_shape_has_the_shorter_side_and_keeps_the_ratio(
    shape: Any, side: int | None, resized: Any
) -> None:
    assert resized_shape(ImageParams(resolution=side), shape) == resized


def test_resizing_to_half_the_side_is_the_mean_of_four_pixels() -> None:
    images = torch.rand(2, 3, 32, 16)
    assert torch.equal(resizing((32, 16), (16, 8))(images), F.avg_pool2d(images, 2))


@pytest.mark.parametrize("after", [(24, 24), (40, 40), (13, 10)])
def test_resizing_keeps_a_uniform_image_uniform(after: tuple[int, int]) -> None:
    images = torch.full((1, 1, 32, 32), 0.3)
    assert torch.allclose(resizing((32, 32), after)(images), torch.full((1, 1, *after), 0.3))


def test_resizing_by_less_than_half_is_bilinear() -> None:
    images = torch.rand(1, 1, 32, 32)
    expected = F.interpolate(images, (20, 20), mode="bilinear", align_corners=False)
    assert torch.equal(resizing((32, 32), (20, 20))(images), expected)


def test_resized_network_equals_the_network_for_that_resolution() -> None:
    """Both have the same weights from the same seed."""
    resized = build_network(
        {"simple_cnn": {"width": 0.25, "resolution": 16}}, (3, 32, 32), 5, seed=0
    )
    direct = build_network({"simple_cnn": {"width": 0.25}}, (3, 16, 16), 5, seed=0)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(resized(images), direct(F.avg_pool2d(images, 2)))


def test_network_does_not_resize_when_the_images_have_the_resolution() -> None:
    network = build_network({"simple_cnn": {"resolution": 32}}, (3, 32, 32), 5, seed=0)
    assert isinstance(network, nn.Sequential)


def test_resized_network_can_be_pruned_and_rebuilt(context: Context) -> None:
    shape = (1, 8, 8)
    before = initial_candidate({"resnet": {"blocks": 1, "resolution": 12}}, shape, 3, seed=0)
    after = Structured.apply(before, Structured.Params(ratio=0.5), context)
    fresh = rebuild(after.history, shape, 3)
    fresh.load_state_dict(after.model.state_dict())
    images = torch.rand(2, *shape)
    assert torch.equal(fresh.eval()(images), after.model(images))
    channels = after.history[-1].info["channels"]
    assert channels and all(name.startswith("network.") for name in channels)


def test_resized_network_loads_weights_with_and_without_its_resizing(tmp_path: Path) -> None:
    plain = build_network({"resnet": {"blocks": 1}}, (3, 32, 32), 5, seed=1)
    save_file(plain.state_dict(), tmp_path / "weights.safetensors")
    resized = build_network({"resnet": {"blocks": 1, "resolution": 16}}, (3, 32, 32), 5, seed=0)
    load_weights(resized, tmp_path / "weights.safetensors")
    assert isinstance(resized, Resized)
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(resized.network(images), plain(images))
    save_file(resized.state_dict(), tmp_path / "resized.safetensors")
    load_weights(resized, tmp_path / "resized.safetensors")
