"""Augmentation: mirrored and shifted images, the same for the same generator."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from paretune.spaces.training.augmentation import augmented
from paretune.spaces.training.erasing import erased
from paretune.spaces.training.recipe import Augment, RandAugment

BORDER = (-1.0, 2.0)
WHITE = (1.0, 4.0)


def images(count: int = 64, height: int = 5, width: int = 7) -> torch.Tensor:
    """Every pixel has a value of its own."""
    return torch.arange(count * 2 * height * width, dtype=torch.float32).reshape(
        count, 2, height, width
    )


def run(augment: Augment, seed: int = 0) -> torch.Tensor:
    return augmented(images(), augment, BORDER, WHITE, torch.Generator().manual_seed(seed))


def test_nothing_is_done_without_flip_and_crop() -> None:
    assert torch.equal(run(Augment()), images())


def test_flip_mirrors_about_half_of_the_images_whole() -> None:
    given, found = images(), run(Augment(flip=True))
    same = (found == given).flatten(1).all(1)
    mirrored = (found == given.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 16 <= int(mirrored.sum()) <= 48


@pytest.mark.parametrize("most", [1, 2])
def test_crop_shifts_by_up_to_so_many_pixels_and_fills_with_black(most: int) -> None:
    given, found = images(), run(Augment(crop=most))
    black = torch.tensor(BORDER)[None, :, None, None]
    padded = functional.pad(given - black, (most,) * 4) + black
    side = range(2 * most + 1)
    matches = torch.stack(
        [
            torch.isclose(padded[:, :, y : y + 5, x : x + 7], found).flatten(1).all(1)
            for y, x in itertools.product(side, side)
        ]
    )
    assert (matches.sum(0) == 1).all()
    assert matches.any(1).sum() > (2 * most + 1) ** 2 / 2


def test_crop_may_shift_an_image_out_of_sight() -> None:
    tiny = torch.ones(1000, 2, 1, 1)
    found = augmented(tiny, Augment(crop=3), BORDER, WHITE, torch.Generator().manual_seed(0))
    assert set(found[:, 0].flatten().tolist()) == {1.0, -1.0}
    assert set(found[:, 1].flatten().tolist()) == {1.0, 2.0}


@pytest.mark.parametrize(
    "augment", [Augment(flip=True), Augment(crop=2), Augment(flip=True, crop=1)]
)
def test_same_generator_gives_the_same_images_and_another_does_not(augment: Augment) -> None:
    assert torch.equal(run(augment), run(augment))
    assert not torch.equal(run(augment), run(augment, seed=1))


def test_given_images_are_left_alone() -> None:
    given = images()
    augmented(given, Augment(flip=True, crop=2), BORDER, WHITE, torch.Generator().manual_seed(0))
    assert torch.equal(given, images())


def test_erased_boxes_have_the_paper_s_share_and_are_zero() -> None:
    ones = torch.ones(400, 2, 40, 40)
    found = erased(ones, 0.5, torch.Generator().manual_seed(0))
    gone = (found == 0).all(1)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    hit = gone.flatten(1).any(1)
    assert 0.4 < float(hit.double().mean()) < 0.6
    boxes = gone[hit]
    heights, widths = boxes.any(2).sum(1), boxes.any(1).sum(1)
    areas = boxes.flatten(1).sum(1)
    assert torch.equal(heights * widths, areas)  # each is one rectangle
    shares = areas / 1600
    assert 0.015 < float(shares.min()) < 0.05
    assert 0.28 < float(shares.max()) < 0.36
    ratios = (heights / widths)[(heights < 40) & (widths < 40)]
    assert 0.25 < float(ratios.min()) < 0.5
    assert 2 < float(ratios.max()) < 3.7


def test_all_random_changes_go_together_in_the_order_of_the_recipe() -> None:
    how = Augment(
        flip=True, crop=1, randaugment=RandAugment(operations=2), erase=0.5, mixup=0.2, cutmix=1.0
    )
    first, again, other = run(how), run(how), run(how, seed=1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images().shape
