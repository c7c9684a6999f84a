"""Families have the published parameter counts on ImageNet, and fit small images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.architecture.network import build_network
from paretune.spaces.architecture.shufflenet_v2 import PUBLISHED
from paretune.spaces.base import InfeasibleCandidate

IMAGENET = (3, 224, 224)


def build(
    name: str, shape: tuple[int, int, int] = IMAGENET, classes: int = 1000, **more: Any
) -> Any:
    entry = ARCHITECTURES.get(name)
    return entry.build(entry.Params.model_validate(more), shape, classes)


def size_of(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "params", "published"),
    [
        # torchvision's numbers of parameters
        ("resnet", {"width": 64, "blocks": [2, 2, 2, 2]}, 11_689_512),
        ("resnet", {"width": 64, "blocks": [3, 4, 6, 3]}, 21_797_672),
        ("resnet", {"width": 64, "blocks": [3, 4, 6, 3], "block": "bottleneck"}, 25_557_032),
        ("resnet", {"widths": [64, 128, 256, 512], "blocks": 2}, 11_689_512),
        ("mobilenet_v2", {}, 3_504_872),
        ("mobilenet_v3", {"size": "small"}, 2_542_856),
        ("mobilenet_v3", {"size": "large"}, 5_483_032),
        ("efficientnet", {}, 5_288_548),
        ("efficientnet", {"phi": 0.0}, 5_288_548),
        ("efficientnet", {"width": 1.0, "depth": 1.1}, 7_794_184),
        ("efficientnet", {"width": 1.1, "depth": 1.2}, 9_109_994),
        ("efficientnet", {"width": 1.2, "depth": 1.4}, 12_233_232),
        ("shufflenet_v2", {"width": 0.5}, 1_366_792),
        ("shufflenet_v2", {"width": 1.0}, 2_278_604),
        ("shufflenet_v2", {"width": 1.5}, 3_503_624),
        ("shufflenet_v2", {"width": 2.0}, 7_393_996),
        ("squeezenet", {}, 1_235_496),
        ("regnet", {"kind": "x", "size": "400mf"}, 5_495_976),
        ("regnet", {"kind": "x", "size": "800mf"}, 7_259_656),
        ("regnet", {"kind": "x", "size": "1_6gf"}, 9_190_136),
        ("regnet", {"kind": "x", "size": "3_2gf"}, 15_296_552),
        ("regnet", {"kind": "y", "size": "400mf"}, 4_344_144),
        ("regnet", {"kind": "y", "size": "800mf"}, 6_432_512),
        ("regnet", {"kind": "y", "size": "1_6gf"}, 11_202_430),
        ("regnet", {"kind": "y", "size": "3_2gf"}, 19_436_338),
        # timm's numbers
        ("mobilenet_v1", {}, 4_231_976),
        ("regnet", {"kind": "x", "size": "200mf"}, 2_684_792),
        ("regnet", {"kind": "y", "size": "200mf"}, 3_162_996),
        ("regnet", {"kind": "x", "size": "600mf"}, 6_196_040),
        ("regnet", {"kind": "y", "size": "600mf"}, 6_055_160),
        # torchvision's vit_b_16, reduced to two of its twelve blocks
        (
            "vit",
            {"patch": 16, "depth": 2, "heads": 12, "width": 768, "pool": "token"},
            86_567_656 - 10 * (4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768),
        ),
    ],
    ids=str,
)
def test_family_has_the_published_number_of_parameters(
    name: str, params: dict[str, Any], published: int
) -> None:
    assert size_of(build(name, **params)) == published


STEMS = ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "efficientnet", "shufflenet_v2", "regnet"]


@pytest.mark.parametrize("name", STEMS)
@pytest.mark.parametrize(
    ("stem", "side", "remaining"),
    [("auto", 32, 4), ("small", 64, 8), ("standard", 64, 2), ("auto", 64, 2), ("auto", 63, 8)],
)
def test_small_stem_omits_the_first_two_halvings(
    name: str, stem: str, side: int, remaining: int
) -> None:
    """Checks the input size of the pooling. With the standard stem, families halve five times."""
    network = build(name, (3, side, side), 10, stem=stem)
    assert last_sides(network, side) == (remaining, remaining)


@pytest.mark.parametrize(("stem", "side", "remaining"), [("small", 32, 8), ("standard", 64, 3)])
def test_small_stem_of_squeezenet_omits_two_of_four_halvings(
    stem: str, side: int, remaining: int
) -> None:
    assert last_sides(build("squeezenet", (3, side, side), 10, stem=stem), side) == (remaining,) * 2


@pytest.mark.parametrize(("stem", "side", "remaining"), [("auto", 32, 8), ("auto", 64, 4)])
def test_auto_stem_of_resnet_depends_on_the_image_size(
    stem: str, side: int, remaining: int
) -> None:
    network = build("resnet", (3, side, side), 10, stem=stem)
    assert last_sides(network, side) == (remaining, remaining)


def last_sides(network: nn.Module, side: int) -> tuple[int, ...]:
    """Returns height and width of the last convolution's output above 1x1."""
    sizes: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, i, o: sizes.append(tuple(o.shape[2:])))
    network.eval()(torch.zeros(1, 3, side, side))
    return next(sides for sides in reversed(sizes) if sides != (1, 1))


def test_phi_scales_width_depth_and_resolution_together() -> None:
    """Tan and Le 2019: one step is 1.2 times the layers, 1.1 the channels, 1.15 the side."""
    entry = ARCHITECTURES.get("efficientnet")
    params = entry.Params(phi=2.0)
    assert params.side((3, 32, 40)) == round(32 * 1.15**2)
    separate = entry.Params(width=1.1**2, depth=1.2**2)
    assert separate.side((3, 32, 40)) is None
    assert size_of(build("efficientnet", phi=2.0)) == size_of(
        build("efficientnet", width=1.1**2, depth=1.2**2)
    )
    sizes = [size_of(build("efficientnet", phi=float(phi))) for phi in range(-4, 2)]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("width", [0.1, 0.25, 0.77, 1.2, 3.0])
def test_shufflenet_has_sizes_between_the_published_ones_at_widths_between(width: float) -> None:
    below, above = (
        size_of(build("shufflenet_v2", width=w))
        for w in (
            max(w for w in [0.05, *PUBLISHED] if w < width),
            min(w for w in [*PUBLISHED, 4.0] if w > width),
        )
    )
    assert below < size_of(build("shufflenet_v2", width=width)) < above


def test_staged_has_the_parameter_count_of_its_stages() -> None:
    stages = [
        {"width": 8, "kernel": 5, "depth": 2, "expansion": 3, "stride": 1},
        {"width": 16, "kernel": 7, "expansion": 1, "se": True},
    ]
    network = build("staged", (3, 32, 32), 10, stages=stages, stem_width=4, head_width=32)
    stem = 3 * 9 * 4 + 2 * 4

    def block(channels: int, out: int, kernel: int, expansion: int, squeezed: int = 0) -> int:
        hidden = channels * expansion
        expand = channels * hidden + 2 * hidden if expansion > 1 else 0
        depthwise = hidden * kernel**2 + 2 * hidden
        gate = 2 * hidden * squeezed + hidden + squeezed if squeezed else 0
        return expand + depthwise + gate + hidden * out + 2 * out

    blocks = block(4, 8, 5, 3) + block(8, 8, 5, 3) + block(8, 16, 7, 1, squeezed=2)
    assert size_of(network) == stem + blocks + (16 * 32 + 2 * 32) + (32 * 10 + 10)
    assert last_sides(network, 32) == (16, 16)


def test_staged_keeps_four_pixels_a_side() -> None:
    network = build("staged", (3, 8, 8), 10, stages=[{"width": 8}] * 5)
    assert last_sides(network, 8) == (4, 4)


# -- refused parameters --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("vit", {"width": 100, "heads": 3}, "heads must divide width: 100 .* give width: 102"),
        ("vit", {"patch": 5, "resolution": 32}, "patch must divide resolution: 32 is not a multip"),
        ("efficientnet", {"phi": 1.0, "depth": 1.2}, "phi scales depth already; give phi or these"),
        ("efficientnet", {"phi": 1.0, "width": 1.2, "resolution": 32}, "phi scales width, resolut"),
        ("regnet", {"w_0": 20}, "multiple of 8"),
        ("regnet", {"w_m": 1.0}, "greater than or equal to 1.1"),
        ("regnet", {"depth": 64, "w_a": 400.0}, "last block would have 25224 channels, 8192 is"),
        (
            "resnet",
            {"blocks": [1, 2], "stages": 3},
            "stages gives 3, blocks gives 2",
        ),
        (
            "resnet",
            {"blocks": [1, 2], "widths": [8]},
            "agree on the stages: blocks gives 2, wid",
        ),
        (
            "resnet",
            {"widths": [16, 8], "shortcut": "padding"},
            r"padding cannot remove channels, got widths \[16, 8\]",
        ),
        ("staged", {"stages": []}, "at least 1 item"),
        ("staged", {"stages": [{"width": 8, "kernel": 4}]}, "should be 1, 3, 5, 7 or 9"),
    ],
    ids=str,
)
def test_params_that_contradict_each_other_are_refused(
    name: str, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        ARCHITECTURES.get(name).Params.model_validate(params)


def test_patch_that_does_not_divide_the_image_is_infeasible() -> None:
    with pytest.raises(InfeasibleCandidate, match="28x30 pixels are not a multiple of 4"):
        build_network({"vit": {"patch": 4}}, (1, 28, 30), 3, seed=0)
