"""Augmentation mirrors and shifts images, in the same way for the same generator."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.nn import functional

from paretune.spaces.training.augmentation import augmented, augmented_with_masks
from paretune.spaces.training.recipe import Augment, RandAugment

BORDER = (-1.0, 2.0)
WHITE = (1.0, 4.0)


def images(count: int = 64, height: int = 5, width: int = 7) -> torch.Tensor:
    """Returns images with a different value at every pixel."""
    return torch.arange(count * 2 * height * width, dtype=torch.float32).reshape(
        count, 2, height, width
    )


def run(augment: Augment, seed: int = 0) -> torch.Tensor:
    return augmented(images(), augment, BORDER, WHITE, torch.Generator().manual_seed(seed))


def test_images_do_not_change_without_augmentation() -> None:
    assert torch.equal(run(Augment()), images())


def test_flip_mirrors_about_half_of_the_images() -> None:
    source, changed = images(), run(Augment(flip=True))
    same = (changed == source).flatten(1).all(1)
    mirrored = (changed == source.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 16 <= int(mirrored.sum()) <= 48


@pytest.mark.parametrize("pixels", [1, 2])
def test_crop_shifts_up_to_the_given_pixels_and_fills_with_black(pixels: int) -> None:
    source, changed = images(), run(Augment(crop=pixels))
    black = torch.tensor(BORDER)[None, :, None, None]
    padded = functional.pad(source - black, (pixels,) * 4) + black
    side = range(2 * pixels + 1)
    matches = torch.stack(
        [
            torch.isclose(padded[:, :, y : y + 5, x : x + 7], changed).flatten(1).all(1)
            for y, x in itertools.product(side, side)
        ]
    )
    assert (matches.sum(0) == 1).all()
    assert matches.any(1).sum() > (2 * pixels + 1) ** 2 / 2


def test_crop_may_shift_a_small_image_out_completely() -> None:
    tiny = torch.ones(1000, 2, 1, 1)
    changed = augmented(tiny, Augment(crop=3), BORDER, WHITE, torch.Generator().manual_seed(0))
    assert set(changed[:, 0].flatten().tolist()) == {1.0, -1.0}
    assert set(changed[:, 1].flatten().tolist()) == {1.0, 2.0}


@pytest.mark.parametrize(
    "augment", [Augment(flip=True), Augment(crop=2), Augment(flip=True, crop=1)]
)
def test_same_generator_gives_the_same_images_and_another_does_not(augment: Augment) -> None:
    assert torch.equal(run(augment), run(augment))
    assert not torch.equal(run(augment), run(augment, seed=1))


def test_augmentation_does_not_change_its_input() -> None:
    source = images()
    augmented(source, Augment(flip=True, crop=2), BORDER, WHITE, torch.Generator().manual_seed(0))
    assert torch.equal(source, images())


def test_all_random_changes_work_together() -> None:
    augment = Augment(
        flip=True, crop=1, randaugment=RandAugment(operations=2), erase=0.5, mixup=0.2, cutmix=1.0
    )
    first, again, other = run(augment), run(augment), run(augment, seed=1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images().shape


# -- masks -----------------------------------------------------------------------------------------


def with_masks(**options: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns images, changed images and changed masks; a mask holds the image's values."""
    images = torch.randn(16, 1, 7, 9, generator=torch.Generator().manual_seed(1)).round(decimals=3)
    masks = (images[:, 0] * 1000).round().long()
    generator = torch.Generator().manual_seed(5)
    return images, *augmented_with_masks(images, masks, Augment(**options), generator)


@pytest.mark.parametrize("options", [{"flip": True}, {"crop": 3}, {"flip": True, "crop": 3}])
def test_image_and_mask_change_together(options: dict[str, Any]) -> None:
    images, changed, masks = with_masks(**options)
    assert torch.equal((changed[:, 0] * 1000).round().long(), masks)
    assert not torch.equal(changed, images)


def test_shifted_masks_repeat_the_edge_and_have_no_new_class() -> None:
    images, changed, masks = with_masks(crop=3)
    for before, after in zip(images, changed, strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())
    moved = (changed != images).flatten(1).any(1)
    assert 10 < int(moved.sum()) <= 16
    assert masks.dtype == torch.int64


def test_masks_of_several_labels_change_together() -> None:
    images = torch.randn(6, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    labels = torch.cat([images, images[:, :1]], 1)
    augment = Augment(flip=True, crop=2)
    changed, masks = augmented_with_masks(images, labels, augment, torch.Generator().manual_seed(3))
    assert torch.equal(masks, torch.cat([changed, changed[:, :1]], 1))
