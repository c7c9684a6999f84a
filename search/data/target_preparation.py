"""Resizes and crops masks and boxes as their images are."""

from __future__ import annotations

import numpy as np
from PIL import Image

from paretune.search.data.image_preparation import Preparation
from paretune.search.data.targets import BoxTargets, RawTargets, TargetsWanted
from paretune.search.errors import UserError

LEAST_SIDE = 1.0
"""Pixels of the shorter side of a box that a crop leaves; smaller ones are dropped."""


def prepared_targets(
    where: str,
    targets: RawTargets,
    preparation: Preparation,
    size: tuple[int, int],
    wanted: TargetsWanted,
) -> tuple[RawTargets, tuple[str, ...]]:
    """Returns the targets of prepared images of one size, and sentences about what was dropped.

    Args:
        where: Source and part, for messages.
        targets: Masks [N, H, W], boxes in pixels of the images, or targets that stay as they are.
        preparation: How the images are resized and cropped.
        size: (H, W) of the images before that.
        wanted: What the targets are.

    Raises:
        UserError: A crop adds pixels that have no class.
    """
    if preparation.keeps(*size):
        return targets, ()
    if isinstance(targets, BoxTargets):
        prepared, dropped = prepared_boxes(targets, preparation, [size] * len(targets))
        return prepared, dropped_note(dropped)
    if wanted.kind != "mask":
        return targets, ()
    masks = [prepared_mask(where, mask, preparation, wanted.ignore) for mask in targets]
    return np.stack(masks), ()


def prepared_mask(
    where: str, mask: np.ndarray, preparation: Preparation, ignore: int | None
) -> np.ndarray:
    """Returns a mask resized to the nearest pixel and cropped.

    Args:
        where: File or part, for messages.
        mask: uint8 or int64 [H, W].
        preparation: How the image is resized and cropped.
        ignore: Value of pixels without a class, which fills edges beyond the image.

    Raises:
        UserError: The crop reaches beyond the image, and pixels without a class have no value.
    """
    height, width = preparation.resized(*mask.shape)
    image = Image.fromarray(mask if mask.dtype == np.uint8 else mask.astype(np.int32))
    resized = np.asarray(image.resize((width, height), Image.Resampling.NEAREST), dtype=mask.dtype)
    if preparation.crop is None:
        return resized
    top, left = crop_offset(height, width, *preparation.crop)
    if (top < 0 or left < 0) and ignore is None:
        raise UserError(
            f"{where}: the crop of {preparation.crop[0]} x {preparation.crop[1]} is larger than "
            f"the image of {height} x {width}, so pixels without a class are added; give a smaller "
            "crop, or type task: {segmentation: {ignore: 255}}"
        )
    pad = max(0, -top), max(0, -left)
    more_high = max(0, preparation.crop[0] - height)
    more_wide = max(0, preparation.crop[1] - width)
    edges = ((pad[0], more_high - pad[0]), (pad[1], more_wide - pad[1]))
    padded = np.pad(resized, edges, constant_values=ignore or 0)
    rows, columns = max(0, top), max(0, left)
    return padded[rows : rows + preparation.crop[0], columns : columns + preparation.crop[1]]


def crop_offset(height: int, width: int, crop_height: int, crop_width: int) -> tuple[int, int]:
    """Returns the row and column of an image at which its center crop begins.

    They are negative where the image is smaller: `image_preparation.center_crop` pads it first.
    """

    def offset(side: int, crop: int) -> int:
        return -((crop - side) // 2) if crop > side else round((side - crop) / 2)

    return offset(height, crop_height), offset(width, crop_width)


def prepared_boxes(
    targets: BoxTargets, preparation: Preparation, sizes: list[tuple[int, int]]
) -> tuple[BoxTargets, int]:
    """Returns boxes in pixels of the prepared images, and the number of those that are cut away.

    Args:
        targets: Boxes in pixels of the images.
        preparation: How images are resized and cropped.
        sizes: (H, W) of each image before that.
    """
    boxes, labels, dropped = [], [], 0
    for listed, classes, (height, width) in zip(targets.boxes, targets.labels, sizes, strict=True):
        new_height, new_width = preparation.resized(height, width)
        moved = listed.astype(np.float64) * (
            np.array([new_width, new_height] * 2) / np.array([width, height] * 2)
        )
        if preparation.crop is not None:
            top, left = crop_offset(new_height, new_width, *preparation.crop)
            moved -= np.array([left, top] * 2)
            new_height, new_width = preparation.crop
        clipped = moved.clip(0, np.array([new_width, new_height] * 2))
        sides = clipped[:, 2:] - clipped[:, :2]
        # A box that was small before stays; one that the crop made small goes.
        uncut = np.isclose(clipped, moved, atol=1.0).all(1) if len(moved) else np.empty(0, bool)
        keep = uncut | (sides.min(1, initial=np.inf) >= LEAST_SIDE)
        keep &= (sides > 0).all(1)
        dropped += int((~keep).sum())
        boxes.append(clipped[keep].astype(np.float32))
        labels.append(classes[keep])
    return BoxTargets(tuple(boxes), tuple(labels)), dropped


def dropped_note(dropped: int) -> tuple[str, ...]:
    """Returns a sentence about boxes that lie outside of the crop; none if there are none."""
    if not dropped:
        return ()
    subject = "1 box lies" if dropped == 1 else f"{dropped} boxes lie"
    return (f"{subject} outside of the crop and {'is' if dropped == 1 else 'are'} left out.",)
