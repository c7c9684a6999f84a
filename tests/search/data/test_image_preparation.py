"""Resize and crop give the pixels of torchvision.transforms, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from paretune.search.data import load_data
from paretune.search.data.image_preparation import Color, Preparation

CHANNELS: dict[Color, int] = {"RGB": 3, "L": 1, "RGBA": 4}


def random_image(rng: np.random.Generator, color: Color) -> tuple[Image.Image, np.ndarray]:
    """Returns an image of random size, and its pixels [C, H, W]."""
    pixels = rng.integers(0, 256, (*rng.integers(5, 70, 2), CHANNELS[color]), dtype=np.uint8)
    image = Image.fromarray(pixels[..., 0] if color == "L" else pixels)
    return image, np.ascontiguousarray(pixels.transpose(2, 0, 1))


def torchvision_pixels(image: Image.Image, preparation: Preparation) -> np.ndarray:
    """Returns what torchvision makes of an image."""
    steps: list[Any] = []
    mode = transforms.InterpolationMode[preparation.interpolation.upper()]
    if preparation.resize is not None:
        steps.append(transforms.Resize(preparation.resize, interpolation=mode))
    if preparation.crop is not None:
        steps.append(transforms.CenterCrop(preparation.crop))
    pixels = np.asarray(transforms.Compose(steps)(image))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest", "lanczos"])
@pytest.mark.parametrize("color", ["RGB", "L", "RGBA"])
def test_pixels_equal_those_of_torchvision(color: Color, interpolation: Any) -> None:
    """Odd sizes, sizes below the crop, both forms of resize, and none of them."""
    rng = np.random.default_rng(0)
    for turn in range(24):
        image, pixels = random_image(rng, color)
        height, width, short, tall, wide = (int(n) for n in rng.integers(3, 60, 5))
        resize = (short, (height, width), None)[turn % 3]
        crop = (tall, wide) if turn % 4 else None
        preparation = Preparation(color, True, resize, crop, interpolation)

        expected = torchvision_pixels(image, preparation)

        assert (preparation.apply_to_array(pixels) == expected).all()
        assert preparation.size(image.height, image.width) == expected.shape[1:]
        assert (
            Preparation.from_json({"shape": list(expected.shape), **preparation.to_json()})
            == preparation
        )


def test_older_manifest_means_the_size_of_the_input_without_turning() -> None:
    assert Preparation.from_json({"shape": [3, 4, 6]}) == Preparation("RGB", False, (4, 6))


ARRAYS = {"resize": 9, "crop": [7, 6], "interpolation": "bicubic"}


@pytest.mark.parametrize("memory", ["ram", "stream"])
def test_arrays_are_prepared_in_memory_and_streamed(tmp_path: Path, memory: str) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (20, 12, 15, 3), dtype=np.uint8), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    options = {"file": "a.npz", **ARRAYS, "memory": memory}

    data = load_data("npz", options, tmp_path)

    preparation = Preparation("RGB", True, 9, (7, 6), "bicubic")
    expected = np.stack([torchvision_pixels(Image.fromarray(one), preparation) for one in x])
    assert data.shape == (3, 7, 6)
    assert data.info()["streamed"] == (memory == "stream")
    assert (next(data.examples("test", 20))[0] == expected).all()


def test_arrays_have_the_same_fingerprint_and_normalization_in_memory_and_streamed(
    tmp_path: Path,
) -> None:
    x = np.random.default_rng(1).integers(0, 256, (20, 12, 15), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(20) % 2)

    def load(**options: Any) -> Any:
        return load_data("npz", {"file": "a.npz", **options}, tmp_path)

    kept, streamed = load(**ARRAYS, memory="ram"), load(**ARRAYS, memory="stream")
    assert kept.fingerprint == streamed.fingerprint
    assert (kept.mean, kept.std) == (streamed.mean, streamed.std)
    assert kept.preprocessing() == streamed.preprocessing()
    fingerprints = {
        load(**options).fingerprint
        for options in (
            {},
            ARRAYS,
            {**ARRAYS, "crop": 7},
            {**ARRAYS, "resize": 8},
            {**ARRAYS, "interpolation": "bilinear"},
            {**ARRAYS, "mean": 0.5, "std": 0.5},
            {"mean": 0.5, "std": 0.5},
            {"mean": 0.5, "std": 0.25},
        )
    }
    assert len(fingerprints) == 8
    assert load(interpolation="bicubic").fingerprint == load().fingerprint


def test_mean_and_std_of_ones_own_normalize_black_and_white(tmp_path: Path) -> None:
    x = np.zeros((20, 5, 5, 3), np.uint8)
    x[::2] = 255
    y = np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    options = {"file": "a.npz", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.5]}

    data = load_data("npz", options, tmp_path)

    images, _ = next(data.arrays("test", 2))
    assert images[0, :, 0, 0].tolist() == pytest.approx([2.5, 2.4, 1.4])
    assert images[0, :, 0, 0].tolist() == pytest.approx(data.white())
    assert images[1, :, 0, 0].tolist() == pytest.approx(data.black())
    assert data.preprocessing()["mean"] == [0.5, 0.4, 0.3]
