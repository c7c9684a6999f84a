"""Images in three parts: normalization, batches, calibration and fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.search.data import load_data
from paretune.search.data.image_dataset import PARTS, ImageDataset

LoadNpz = Callable[..., ImageDataset]
Arrays = dict[str, np.ndarray]


def raw_rows(data: ImageDataset, part: str, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Returns images as bytes [N, H, W, C] without normalization, and labels."""
    images, labels = zip(*data.batches(part, 7, **options), strict=True)
    pixels = torch.cat(images).permute(0, 2, 3, 1) * torch.tensor(data.std)
    restored = ((pixels + torch.tensor(data.mean)) * 255).round().numpy().astype(np.uint8)
    return restored, torch.cat(labels).numpy()


def test_parts_are_disjoint_and_complete(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    seen: dict[bytes, int] = {}
    for part in PARTS:
        for image, label in zip(*raw_rows(data, part), strict=True):
            assert image.tobytes() not in seen
            seen[image.tobytes()] = int(label)
    pairs = zip(arrays["x_train"], arrays["y_train"], strict=True)
    assert seen == {image.tobytes(): int(label) for image, label in pairs}


def test_parts_are_stratified(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    counts = {part: np.bincount(raw_rows(data, part)[1]).tolist() for part in PARTS}

    assert counts == {"train": [6] * 4, "validation": [2] * 4, "test": [2] * 4}


def test_split_depends_on_the_seed(load_npz: LoadNpz, arrays: Arrays) -> None:
    first, same, other = (load_npz(seed=seed, **arrays) for seed in (0, 0, 1))

    for part in PARTS:
        assert (raw_rows(first, part)[0] == raw_rows(same, part)[0]).all()
    assert (raw_rows(first, "test")[0] != raw_rows(other, "test")[0]).any()
    assert first.fingerprint == same.fingerprint != other.fingerprint


# -- normalization -------------------------------------------------------------------------------


def test_training_part_is_normalized_to_mean_0_and_deviation_1(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    images = torch.cat([images for images, _ in load_npz(**arrays).batches("train", 5)])

    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-4)
    assert images.std((0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-4)


def test_mean_and_deviation_come_from_the_training_part_alone(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    bright = np.full_like(arrays["x_train"], 255)
    images = {f"x_{part}": bright for part in ("val", "test")}
    labels = {f"y_{part}": arrays["y_train"] for part in ("val", "test")}

    data = load_npz(**arrays, **images, **labels)

    pixels = arrays["x_train"] / 255
    assert data.mean == pytest.approx(pixels.mean((0, 1, 2)), abs=1e-6)
    assert data.std == pytest.approx(pixels.std((0, 1, 2)), abs=1e-6)


def test_mean_and_deviation_leave_out_parts_that_are_split_off(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    data = load_npz(**arrays)

    pixels = raw_rows(data, "train")[0] / 255
    assert data.mean == pytest.approx(pixels.mean((0, 1, 2)), abs=1e-6)
    assert data.mean != pytest.approx((arrays["x_train"] / 255).mean((0, 1, 2)), abs=1e-6)


def test_constant_channel_stays_finite(load_npz: LoadNpz, arrays: Arrays) -> None:
    arrays["x_train"][..., 1] = 7

    data = load_npz(**arrays)

    images = torch.cat([images for images, _ in data.batches("train", 16)])
    assert data.std[1] == 1.0
    assert images[:, 1].abs().max() < 1e-4


def test_black_is_the_normalized_value_of_zero(load_npz: LoadNpz, arrays: Arrays) -> None:
    x = np.zeros_like(arrays["x_train"])
    data = load_npz(**arrays, x_test=x, y_test=arrays["y_train"])

    images = next(iter(data.batches("test", 1)))[0]

    assert images[0, :, 0, 0].tolist() == pytest.approx(data.black())


def test_preprocessing_has_scale_mean_and_deviation(load_npz: LoadNpz, arrays: Arrays) -> None:
    preprocessing = load_npz(**arrays).preprocessing()

    assert preprocessing["shape"] == [3, 4, 4]
    assert preprocessing["scale"] == 1 / 255
    assert preprocessing["class_names"] == ["0", "1", "2", "3"]
    assert len(preprocessing["mean"]) == len(preprocessing["std"]) == 3


# -- batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 0, 5])
@pytest.mark.parametrize("batch", [1, 5, 24, 100])
def test_batches_follow_the_order(
    load_npz: LoadNpz, arrays: Arrays, seed: int | None, batch: int
) -> None:
    data = load_npz(**arrays)
    plain, plain_labels = raw_rows(data, "train")
    order = data.order("train", seed).numpy()

    batches = list(data.batches("train", batch, seed=seed))

    assert [len(labels) for _, labels in batches][:-1] == [batch] * (len(batches) - 1)
    assert torch.cat([labels for _, labels in batches]).tolist() == plain_labels[order].tolist()
    assert (raw_rows(data, "train", seed=seed)[0] == plain[order]).all()
    assert all(images.dtype == torch.float32 for images, _ in batches)
    assert all(labels.dtype == torch.int64 for _, labels in batches)


def test_calibration_yields_the_same_training_images_each_time(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    data = load_npz(**arrays)
    train = {image.numpy().tobytes() for images, _ in data.batches("train", 8) for image in images}

    first, second = list(data.calibration(10, 4)), list(data.calibration(10, 4))

    assert [len(batch) for batch in first] == [4, 4, 2]
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert {image.tobytes() for batch in first for image in batch} <= train
    assert sum(len(batch) for batch in data.calibration(1000, 4)) == 24


# -- fingerprint ---------------------------------------------------------------------------------


def test_fingerprint_does_not_depend_on_the_path(
    load_npz: LoadNpz, arrays: Arrays, tmp_path: Path
) -> None:
    from_function = load_npz(**arrays)
    (tmp_path / "elsewhere").mkdir()
    np.savez_compressed(tmp_path / "elsewhere" / "same.npz", **arrays)

    elsewhere = load_data("npz", {"file": "elsewhere/same.npz"}, tmp_path)

    assert elsewhere.fingerprint == from_function.fingerprint


def one_pixel(arrays: Arrays) -> None:
    arrays["x_train"][5, 0, 0, 0] ^= 1


def one_label(arrays: Arrays) -> None:
    arrays["y_train"][5] = (arrays["y_train"][5] + 1) % 4


def one_row_less(arrays: Arrays) -> None:
    arrays["x_train"], arrays["y_train"] = arrays["x_train"][:-4], arrays["y_train"][:-4]


def other_shape(arrays: Arrays) -> None:
    arrays["x_train"] = arrays["x_train"].reshape(40, 2, 8, 3)


@pytest.mark.parametrize("change", [one_pixel, one_label, one_row_less, other_shape])
def test_fingerprint_changes_with_the_content(
    load_npz: LoadNpz, arrays: Arrays, change: Callable[[Arrays], None]
) -> None:
    before = load_npz(**arrays).fingerprint

    change(arrays)

    assert load_npz(**arrays).fingerprint != before


def test_fingerprint_changes_with_the_split(load_npz: LoadNpz, arrays: Arrays) -> None:
    assert load_npz(**arrays).fingerprint != load_npz(validation=0.4, **arrays).fingerprint


def test_fingerprint_does_not_depend_on_reading_options(
    load_npz: LoadNpz, arrays: Arrays, tmp_path: Path
) -> None:
    before = load_npz(**arrays).fingerprint
    options = {"file": "data.npz", "workers": 2, "prefetch": 4, "pin_memory": True}

    assert load_data("npz", options, tmp_path).fingerprint == before
