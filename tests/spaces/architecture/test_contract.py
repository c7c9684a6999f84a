"""Contract of every architecture, and parameter counts from papers and formulas."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.inputs import Shape, random_example
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.architecture.mobilenet_v2 import MobileNetV2
from paretune.spaces.architecture.network import build_network
from paretune.spaces.architecture.resnet import ResNet
from paretune.spaces.architecture.separable_cnn import SeparableCnn
from paretune.spaces.architecture.simple_cnn import SimpleCnn
from paretune.spaces.architecture.width_multiplier import scaled
from paretune.spaces.base import InfeasibleCandidate
from support.family_cases import SMALL, cases, first_shape, output_shape, wanted

NAMES = pytest.mark.parametrize("name", ARCHITECTURES.names)


def made(name: str, shape: Shape, seed: int = 0) -> torch.nn.Module:
    return build_network({name: SMALL.get(name, {})}, shape, wanted(name), seed=seed)


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# -- contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape"), cases(), ids=str)
def test_network_gives_the_outputs_of_its_task(name: str, shape: Shape) -> None:
    network = made(name, shape)
    assert not network.training
    with torch.inference_mode():
        outputs = network(random_example(shape, 5, seed=0))
    assert outputs.shape == output_shape(name, shape, 5)
    assert outputs.isfinite().all()


@NAMES
def test_network_has_finite_gradients_for_all_parameters(name: str) -> None:
    shape = first_shape(name)
    network = made(name, shape).train()
    outputs = network(random_example(shape, 4, seed=0))
    assert outputs.shape == output_shape(name, shape, 4)
    outputs.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@NAMES
def test_network_has_the_same_weights_only_for_the_same_seed(name: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        network = made(name, first_shape(name), seed)
        return torch.cat([p.flatten() for p in network.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@NAMES
def test_build_network_keeps_the_global_random_state(name: str) -> None:
    before = torch.get_rng_state()
    made(name, first_shape(name), seed=3)
    assert torch.equal(torch.get_rng_state(), before)


# -- sizes -------------------------------------------------------------------------------------


def test_simple_cnn_has_the_parameter_count_of_the_tutorial() -> None:
    network = SimpleCnn.build(SimpleCnn.Params(), (3, 32, 32), 10)
    expected = (3 * 9 * 64 + 64) + (64 * 9 * 128 + 128) + (8192 * 256 + 256) + (256 * 10 + 10)
    assert size_of(network) == expected == 2_175_626


def test_simple_cnn_is_infeasible_when_the_image_has_fewer_than_four_pixels() -> None:
    with pytest.raises(InfeasibleCandidate, match="needs 4x4 pixels, got 3x9"):
        build_network({"simple_cnn": {}}, (1, 3, 9), 10, seed=0)


@pytest.mark.parametrize(("blocks", "published"), [(3, 0.27), (5, 0.46), (9, 0.85)])
def test_resnet_has_the_published_parameter_count(blocks: int, published: float) -> None:
    """He et al. 2016, table 6: ResNet-20, -32, -56 have 0.27, 0.46, 0.85 million parameters."""
    network = ResNet.build(ResNet.Params(blocks=blocks), (3, 32, 32), 10)
    convolutions = sum(
        1
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Conv2d) and "shortcut" not in name
    )
    assert convolutions + 1 == 6 * blocks + 2
    assert size_of(network) / 1e6 == pytest.approx(published, abs=0.01)


def test_resnet_with_padded_shortcuts_lacks_the_two_projections() -> None:
    padded = ResNet.build(ResNet.Params(shortcut="padding"), (3, 32, 32), 10)
    projected = ResNet.build(ResNet.Params(), (3, 32, 32), 10)
    extra = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert size_of(padded) == size_of(projected) - extra == 269_722


def test_resnet_keeps_four_pixels_a_side_when_the_image_is_small() -> None:
    network = ResNet.build(ResNet.Params(stages=5, blocks=1, width=4), (1, 8, 8), 10)
    assert isinstance(network, torch.nn.Sequential)
    assert network[:-3](torch.rand(1, 1, 8, 8)).shape == (1, 64, 4, 4)


def test_mobilenet_v2_has_torchvision_s_parameter_count_on_imagenet() -> None:
    network = MobileNetV2.build(MobileNetV2.Params(), (3, 224, 224), 1000)
    assert size_of(network) == 3_504_872


@pytest.mark.parametrize(
    ("stem", "side", "remaining"),
    [("auto", 32, 4), ("small", 32, 4), ("standard", 32, 1), ("auto", 64, 2), ("small", 64, 8)],
)
def test_mobilenet_v2_halves_less_often_with_a_small_stem(
    stem: Any, side: int, remaining: int
) -> None:
    params = MobileNetV2.Params(stem=stem, width=0.1)
    network = MobileNetV2.build(params, (3, side, side), 10).eval()
    with torch.inference_mode():
        features = network.features(torch.rand(1, 3, side, side))  # type: ignore[operator]
    assert features.shape[2:] == (remaining, remaining)


def test_separable_cnn_has_the_parameter_count_of_its_blocks() -> None:
    stages = [(32, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    stem = 3 * 9 * 32 + 2 * 32
    blocks = sum(c * 9 + 2 * c + c * out + 2 * out for c, out in stages)
    network = SeparableCnn.build(SeparableCnn.Params(), (3, 32, 32), 10)
    assert size_of(network) == stem + blocks + 256 * 10 + 10


@pytest.mark.parametrize("family", [SimpleCnn, SeparableCnn, MobileNetV2])
def test_number_of_parameters_grows_with_width(family: Any) -> None:
    sizes = [
        size_of(family.build(family.Params(width=width), (3, 16, 16), 10))
        for width in (0.25, 0.5, 1.0, 1.5)
    ]
    assert sizes == sorted(set(sizes))


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 1024), st.floats(0.01, 4), st.sampled_from([1, 4, 8]))
def test_scaled_is_the_nearest_multiple_and_at_least_one_multiple(
    channels: int, width: float, multiple: int
) -> None:
    result = scaled(channels, width, multiple)
    assert result % multiple == 0
    assert result == multiple or abs(result - channels * width) <= multiple / 2 + 1e-9
