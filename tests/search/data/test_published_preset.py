"""preset: weights stands for the preprocessing of published weights. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from paretune.search.data import load_data
from paretune.search.data.images import ImagesData
from paretune.search.data.published_preset import concrete_params
from paretune.search.errors import UserError

WEIGHTS = [
    ("mobilenet_v2", "DEFAULT"),
    ("mobilenet_v2", "IMAGENET1K_V1"),
    ("efficientnet_b0", "EfficientNet_B0_Weights.IMAGENET1K_V1"),
    ("regnet_y_16gf", "IMAGENET1K_SWAG_E2E_V1"),
    ("vit_b_16", "IMAGENET1K_SWAG_LINEAR_V1"),
    ("inception_v3", "DEFAULT"),
]


def options(**more: Any) -> dict[str, Any]:
    """Returns options of images as a study file's loader gives them, defaults included."""
    values = {"folder": "photos", "preset": "weights", **more}
    return ImagesData.Params.model_validate(values).model_dump()


@pytest.mark.parametrize(("model", "weights"), WEIGHTS)
def test_inputs_equal_those_of_torchvisions_transforms(
    tmp_path: Path, model: str, weights: str
) -> None:
    rng = np.random.default_rng(0)
    for name in "ab":
        (tmp_path / "photos" / name).mkdir(parents=True)
        for row in range(3):
            size = (*rng.integers(300, 500, 2), 3)
            file = tmp_path / "photos" / name / f"{row}.png"
            Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(file)
    params = concrete_params(options(), {"torchvision": {"name": model, "weights": weights}})

    data = load_data("images", params, tmp_path)

    enum = models.get_model_weights(model)
    transforms = enum[weights.rpartition(".")[2]].transforms()
    expected = {}
    for file in (tmp_path / "photos").rglob("*.png"):
        expected[file] = transforms(Image.open(file).convert("RGB"))
    images = torch.cat([x for part in ("train", "test") for x, _ in data.batches(part, 9)])
    for image in images:
        assert min(float((image - one).abs().max()) for one in expected.values()) <= 1e-5
    assert params["preset"] is None
    assert data.preprocessing()["resize"] == params["resize"]


def test_keys_of_the_study_file_go_first() -> None:
    architecture = {"torchvision": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V2"}}

    params = concrete_params(options(resize=64, crop=[48, 56], mean=0.5), architecture)

    assert (params["resize"], params["crop"], params["mean"]) == (64, [48, 56], 0.5)
    assert params["std"] == [0.229, 0.224, 0.225]
    assert concrete_params(options(preset=None), architecture) == options(preset=None)


def test_timms_configuration_is_taken() -> None:
    timm = pytest.importorskip("timm")
    published = timm.get_pretrained_cfg("resnet10t").to_dict()
    config = timm.data.resolve_data_config({}, pretrained_cfg=published)
    transform = timm.data.create_transform(**config)

    params = concrete_params(options(), {"timm": {"name": "resnet10t", "pretrained": True}})

    resize, crop, *_, normalize = transform.transforms
    assert (params["resize"], params["crop"]) == (resize.size, list(crop.size))
    assert params["interpolation"] == resize.interpolation.value
    assert params["mean"] == pytest.approx(normalize.mean.tolist())
    assert params["std"] == pytest.approx(normalize.std.tolist())


def test_timms_squash_resizes_both_sides() -> None:
    timm = pytest.importorskip("timm")
    squashed = next(
        model
        for model in timm.list_models(pretrained=True)
        if timm.get_pretrained_cfg(model).crop_mode == "squash"
    )

    params = concrete_params(options(), {"timm": {"name": squashed, "pretrained": True}})

    assert len(params["resize"]) == 2


@pytest.mark.parametrize(
    ("architecture", "more", "message"),
    [
        (
            {"simple_cnn": {"width": 1.0}},
            {},
            "needs a baseline with published weights of torchvision or timm, not simple_cnn; give",
        ),
        (
            {"torchvision": {"name": "mobilenet_v2", "weights": None}},
            {},
            r"does not start from published weights \(weights: DEFAULT is not given\).*published "
            r"weights of mobilenet_v2 \(IMAGENET1K_V2\), type this instead of the preset:\n  "
            r"resize: 232, crop: 224, interpolation: bilinear, mean: \[0.485, 0.456, 0.406\], ",
        ),
        (
            {"timm": {"name": "resnet10t", "pretrained": False}},
            {},
            r"does not start from published weights \(pretrained: true is not given\).*type this ",
        ),
        (
            {"torchvision": {"name": "mobilenet_v2", "weights": "IMAGENET1K_V9"}},
            {},
            "torchvision has no weights IMAGENET1K_V9 of mobilenet_v2; give resize",
        ),
        (
            {"torchvision": {"name": "mobile", "weights": "DEFAULT"}},
            {},
            "has no weights DEFAULT of",
        ),
        (
            {"timm": {"name": "resnet", "pretrained": True}},
            {},
            "timm has no weights of resnet; give",
        ),
        (
            {"torchvision": {"name": "mobilenet_v2", "weights": "DEFAULT"}},
            {"resize": 64},
            "with resize 64, the crop of 224 would have black edges; give resize and crop together",
        ),
    ],
)
def test_preset_is_refused_when_it_is_not_known(
    architecture: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    if "timm" in architecture:
        pytest.importorskip("timm")
    with pytest.raises(UserError, match=rf"(?s)data: preset: weights.*{message}"):
        concrete_params(options(**more), architecture)
