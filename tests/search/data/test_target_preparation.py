"""Masks and boxes are resized and cropped as their images are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from paretune.search.data.image_preparation import Preparation
from paretune.search.data.target_preparation import crop_offset, prepared_boxes, prepared_mask
from paretune.search.data.targets import BoxTargets
from paretune.search.errors import UserError

SIZES = [(7, 9), (10, 5), (4, 4), (3, 11)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("crop", [(4, 4), (3, 5), (8, 8), (5, 12)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_crop_of_a_mask_is_that_of_its_image(
    size: tuple[int, int], crop: tuple[int, int], dtype: type
) -> None:
    image = np.random.default_rng(0).integers(1, 200, size, dtype=np.uint8)
    preparation = Preparation("L", crop=crop)

    expected = np.asarray(preparation.apply(Image.fromarray(image)))
    mask = prepared_mask("a", image.astype(dtype), preparation, 0)

    assert mask.dtype == dtype
    assert np.array_equal(mask, expected)


def test_resize_of_a_mask_takes_the_nearest_pixel() -> None:
    mask = np.array([[0, 7], [3, 11]], dtype=np.uint8)

    resized = prepared_mask("a", mask, Preparation(resize=(4, 4)), None)

    assert resized.tolist() == [[0, 0, 7, 7]] * 2 + [[3, 3, 11, 11]] * 2


def test_edges_beyond_the_image_get_the_ignored_value() -> None:
    mask = np.ones((2, 2), dtype=np.uint8)

    padded = prepared_mask("a", mask, Preparation(crop=(2, 4)), 11)

    assert padded.tolist() == [[11, 1, 1, 11]] * 2
    with pytest.raises(UserError, match=r"a.png: the crop of 2 x 4 is larger than the image of"):
        prepared_mask("a.png", mask, Preparation(crop=(2, 4)), None)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preparation", [
    Preparation(resize=(8, 6)), Preparation(resize=6), Preparation(crop=(4, 4)),
    Preparation(resize=12, crop=(8, 8)), Preparation(crop=(15, 15)),
])  # fmt: skip
def test_boxes_stay_on_what_they_surround(size: tuple[int, int], preparation: Preparation) -> None:
    height, width = size
    image = np.zeros(size, dtype=np.uint8)
    image[1:3, 1:4] = 255
    targets = BoxTargets((np.float32([[1, 1, 4, 3]]),), (np.array([2]),))

    prepared, _ = prepared_boxes(targets, preparation, [(height, width)])

    nearest = Preparation("L", True, preparation.resize, preparation.crop, "nearest")
    pixels = np.asarray(nearest.apply(Image.fromarray(image))) > 0
    if not pixels.any():
        return
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    bounds = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert prepared.boxes[0][0] == pytest.approx(bounds, abs=1.01)
    assert prepared.labels[0].tolist() == [2]


def test_boxes_are_cut_at_the_crop_and_dropped_beyond_it() -> None:
    boxes = np.float32([[0, 0, 6, 6], [0, 0, 2, 2], [0, 0, 4.5, 9], [4, 4, 4.5, 4.5]])
    targets = BoxTargets((boxes,), (np.arange(4),))

    prepared, dropped = prepared_boxes(targets, Preparation(crop=(2, 2)), [(10, 10)])

    assert prepared.boxes[0].tolist() == [[0, 0, 2, 2], [0, 0, 0.5, 0.5]]
    assert prepared.labels[0].tolist() == [0, 3]
    assert dropped == 2


def test_image_without_boxes_stays_without() -> None:
    targets = BoxTargets((np.empty((0, 4), np.float32),), (np.empty(0, np.int64),))

    prepared, dropped = prepared_boxes(targets, Preparation(resize=3, crop=(2, 2)), [(10, 10)])

    assert prepared.boxes[0].shape == (0, 4)
    assert dropped == 0


@pytest.mark.parametrize("side", range(1, 12))
@pytest.mark.parametrize("crop", range(1, 12))
def test_offset_is_where_pillow_crops(side: int, crop: int) -> None:
    row = np.arange(1, side + 1, dtype=np.uint8)[None]
    cropped = np.asarray(Preparation("L", crop=(1, crop)).apply(Image.fromarray(row)))[0]

    _, left = crop_offset(1, side, 1, crop)

    first = np.flatnonzero(cropped)[0]
    assert cropped[first] - 1 - first == left
