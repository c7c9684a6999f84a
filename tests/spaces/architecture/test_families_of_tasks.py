"""Families for tables, series, masks, boxes and next tokens: their sizes, options and refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from paretune.inputs import Input, Shape, Signature, Tokens, random_example
from paretune.spaces.architecture import ARCHITECTURES, gives, kinds_taken, output_refusal, takes
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName
from paretune.task import Outputs


def built(family: str, shape: Shape, outputs: Outputs | int, **params: Any) -> torch.nn.Module:
    return build_network({family: params}, shape, outputs, seed=0)


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# -- what families take and give ------------------------------------------------------------------


def test_families_take_the_kinds_that_they_declare() -> None:
    assert kinds_taken("mlp") == ("features", "series", "images", "tensors")
    assert kinds_taken("conv1d") == ("series",)
    assert [k for k in ("images", "text", "series", "features") if takes("unet", k)] == ["images"]  # type: ignore[arg-type]
    assert takes("python", "tensors") and not takes("conv1d", "tensors")


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("resnet", (6,), "resnet takes images, but the data is features; .* features: mlp, python"),
        (
            "mlp",
            Tokens(8, 9),
            "mlp takes features or series or images or tensors, but .* is text",
        ),
        ("conv1d", (3, 8, 8), "conv1d takes series, but the data is images"),
        ("unet", (3, 8), "unet takes images, but the data is series; .* mlp, conv1d, python"),
    ],
)
def test_family_is_infeasible_for_other_inputs(name: str, shape: Shape, reason: str) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        built(name, shape, 3)


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "reason"),
    [
        ("resnet", (3, 32, 32), Outputs(5, "pixel"), "each pixel; .* it: unet, segmenter, python"),
        ("unet", (3, 32, 32), Outputs(5), "one vector for each pixel, but .* for each example"),
        ("text_transformer", Tokens(8, 9), Outputs(9, "position"), "it: text_decoder, python"),
        ("resnet", (3, 32, 32), Outputs(7, "cell"), "each cell; .* it: detector, python"),
    ],
)
def test_family_is_infeasible_for_other_outputs(
    name: str, shape: Shape, outputs: Outputs, reason: str
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        built(name, shape, outputs)


def test_any_family_fits_a_task_that_takes_any_outputs() -> None:
    assert all(gives(name, "any") for name in ARCHITECTURES.names)
    assert gives("python", "pixel") and not gives("mlp", "pixel")
    assert "segmenter" in output_refusal("vit", "pixel")


# -- mlp and conv1d -------------------------------------------------------------------------------


def test_mlp_has_the_parameter_count_of_its_widths() -> None:
    network = built("mlp", (2, 5), 3, widths=[8, 4], norm="batch")
    assert size_of(network) == (10 * 8 + 8 + 16) + (8 * 4 + 4 + 8) + (4 * 3 + 3)
    assert size_of(built("mlp", (6,), 1, depth=0)) == 7
    assert size_of(built("mlp", (6,), 1, depth=2, width=5)) == 6 * 5 + 5 + 5 * 5 + 5 + 5 + 1


def test_mlp_flattens_any_input_of_floats() -> None:
    assert built("mlp", (2, 3, 4, 5), 3)(torch.randn(2, 2, 3, 4, 5)).shape == (2, 3)


@pytest.mark.parametrize(
    "inputs",
    [
        (Input("a", (3,)), Input("b", (3,))),
        (Input("input", (3,), "int64", 9),),
        (Input("input", (3, 4), dynamic=((1, "steps"),)),),
    ],
    ids=["two", "integers", "varying"],
)
def test_mlp_is_infeasible_for_inputs_that_it_cannot_flatten(inputs: tuple[Input, ...]) -> None:
    form: Any = "tensor" if len(inputs) == 1 else "tuple"
    with pytest.raises(InfeasibleCandidate, match="mlp takes one input of float32 with a fixed"):
        built("mlp", Signature(inputs, form), 3)


def test_conv1d_has_the_parameter_count_of_its_blocks() -> None:
    plain = built("conv1d", (3, 64), 2, depth=3, width=4, kernel=5, widest=10)
    assert size_of(plain) == (3 * 5 * 4 + 8) + (4 * 5 * 8 + 16) + (8 * 5 * 10 + 20) + 22
    separable = built("conv1d", (3, 64), 2, depth=2, width=4, kernel=5, kind="separable")
    assert size_of(separable) == (3 * 5 * 4 + 8) + (4 * 5 + 8) + (4 * 8 + 16) + 18


@pytest.mark.parametrize(("steps", "stride", "remaining"), [(64, 2, 8), (64, 4, 4), (7, 2, 7)])
def test_conv1d_keeps_four_steps(steps: int, stride: int, remaining: int) -> None:
    network = built("conv1d", (1, steps), 2, depth=3, stride=stride)
    assert isinstance(network, torch.nn.Sequential)
    assert network[:-3](torch.zeros(1, 1, steps)).shape[2] == remaining


@pytest.mark.parametrize("steps", [1, 2, 5, 33])
def test_conv1d_with_an_even_kernel_takes_series_of_any_length(steps: int) -> None:
    network = built("conv1d", (2, steps), 3, kernel=4, width=4)
    assert network(torch.randn(2, 2, steps)).shape == (2, 3)


# -- masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("sides", [(16, 24), (13, 17), (5, 40), (1, 1)], ids=str)
def test_unet_gives_masks_of_the_image_s_size(up: str, sides: tuple[int, int]) -> None:
    network = built("unet", (2, *sides), Outputs(3, "pixel"), width=4, depth=3, up=up)
    assert network(torch.randn(2, 2, *sides)).shape == (2, 3, *sides)


def test_unet_pads_only_images_that_it_cannot_halve() -> None:
    assert built("unet", (1, 16, 24), Outputs(2, "pixel"), depth=3).multiple == 1
    assert built("unet", (1, 16, 25), Outputs(2, "pixel"), depth=3).multiple == 8


def test_unet_takes_images_whose_size_varies() -> None:
    shape = Signature(
        (Input("input", (1, 16, 16), dynamic=((1, "height"), (2, "width"))),), "tensor"
    )
    network = built("unet", shape, Outputs(2, "pixel"), width=4, depth=3)
    for sides in ((16, 16), (9, 30)):
        assert network(torch.randn(1, 1, *sides)).shape == (1, 2, *sides)


VARYING = Signature((Input("input", (3, 32, 32), dynamic=((1, "height"), (2, "width"))),))


@pytest.mark.parametrize("family", ["resnet", "separable_cnn", "mobilenet_v3"])
def test_family_that_pools_takes_images_whose_size_varies(family: str) -> None:
    network = built(family, VARYING, 4)
    for sides in ((32, 32), (40, 64)):
        assert network(torch.randn(2, 3, *sides)).shape == (2, 4)


@pytest.mark.parametrize("family", ["simple_cnn", "vit", "mlp"])
def test_family_of_one_size_is_infeasible_for_images_whose_size_varies(family: str) -> None:
    with pytest.raises(InfeasibleCandidate, match=f"{family} takes images of one size only: "):
        built(family, VARYING, 4)


def test_detector_takes_images_whose_size_varies() -> None:
    network = built("detector", VARYING, Outputs(6, "cell"), width=8, neck=8)
    assert network(torch.randn(1, 3, 50, 70)).shape == (1, 6, 7, 9)


def test_resolution_is_infeasible_for_images_whose_size_varies() -> None:
    with pytest.raises(InfeasibleCandidate, match="resizes images of one size, but their sizes v"):
        built("resnet", VARYING, 4, resolution=16)


@pytest.mark.parametrize(("name", "sizes"), [("mlp", (6,)), ("mlp", (2, 9)), ("conv1d", (2, 9))])
def test_family_takes_a_signature_of_one_input(name: str, sizes: tuple[int, ...]) -> None:
    assert built(name, Signature((Input("input", sizes),)), 3)(torch.randn(2, *sizes)).ndim == 2


def test_unet_s_parameters_follow_its_options() -> None:
    def size(**params: Any) -> int:
        shape = (3, 32, 32)
        return size_of(built("unet", shape, Outputs(2, "pixel"), **{"width": 8, **params}))

    assert size(kind="separable") < size(convs=1) < size() < size(width=16)
    assert size(depth=2) < size(widest=64) < size()


def test_resolution_of_a_segmentation_network_keeps_the_mask_s_size() -> None:
    network = built("unet", (3, 40, 60), Outputs(4, "pixel"), width=4, depth=2, resolution=20)
    assert network(torch.randn(1, 3, 40, 60)).shape == (1, 4, 40, 60)
    assert network.after == (20, 30)


def test_segmenter_refuses_unknown_models_and_weights() -> None:
    with pytest.raises(UnknownName, match='"lraspp_mobilenet"; did you mean "lraspp_mobilenet_v3'):
        built("segmenter", (3, 32, 32), Outputs(4, "pixel"), name="lraspp_mobilenet")
    options = {"name": "fcn_resnet50", "weights_backbone": "NO_SUCH"}
    with pytest.raises(InfeasibleCandidate, match=r"fcn_resnet50 with weights_backbone=NO_SUCH"):
        built("segmenter", (3, 32, 32), Outputs(4, "pixel"), **options)


# -- detector -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [4, 8, 16])
@pytest.mark.parametrize("kind", ["plain", "separable"])
def test_detector_gives_a_vector_for_each_cell(stride: int, kind: str) -> None:
    network = built(
        "detector", (3, 61, 90), Outputs(9, "cell"), stride=stride, kind=kind, width=8, neck=8
    )
    expected = (2, 9, -(-61 // stride), -(-90 // stride))
    assert network(torch.randn(2, 3, 61, 90)).shape == expected


def test_detector_starts_with_low_scores_for_every_class() -> None:
    network = built("detector", (3, 64, 64), Outputs(7, "cell"))
    with torch.inference_mode():
        scores = network(torch.randn(2, 3, 64, 64))[:, 4:].sigmoid()
    assert 0.001 < scores.mean() < 0.05


def test_detector_is_infeasible_for_images_of_one_cell() -> None:
    with pytest.raises(InfeasibleCandidate, match="stride 8 needs 16x16 pixels, got 15x40"):
        built("detector", (3, 15, 40), Outputs(7, "cell"))


# -- text decoder ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_position_of_a_text_decoder_depends_on_no_later_token(tied: bool) -> None:
    network = built("text_decoder", Tokens(10, 20), Outputs(20, "position"), width=32, tied=tied)
    first = random_example(Tokens(10, 20), 3, seed=0)
    later = first.clone()
    later[:, 6:] = (later[:, 6:] + 3) % 20
    with torch.inference_mode():
        before, after = network(first), network(later)
    assert torch.allclose(before[:, :6], after[:, :6], atol=1e-6)
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-3)


def test_text_decoder_takes_shorter_texts() -> None:
    network = built("text_decoder", Tokens(10, 20), Outputs(20, "position"), width=32)
    ids = random_example(Tokens(10, 20), 2, seed=0)
    with torch.inference_mode():
        assert torch.allclose(network(ids[:, :4]), network(ids)[:, :4], atol=1e-5)


def test_tied_text_decoder_has_one_matrix_for_tokens_and_scores() -> None:
    shape, outputs = Tokens(10, 20), Outputs(20, "position")
    free = built("text_decoder", shape, outputs, width=32)
    tied = built("text_decoder", shape, outputs, width=32, tied=True)
    assert size_of(free) - size_of(tied) == 20 * 32
    with pytest.raises(InfeasibleCandidate, match="each of the 20 tokens, but the task needs 7"):
        built("text_decoder", shape, Outputs(7, "position"), width=32, tied=True)


def test_heads_of_a_text_decoder_divide_its_width() -> None:
    with pytest.raises(ValidationError, match="30 is not a multiple of 4; 3 would fit"):
        built("text_decoder", Tokens(4, 5), Outputs(5, "position"), width=30, heads=4)
