"""Random erasing: the boxes have the area, ratio and frequency of the paper."""

from __future__ import annotations

import torch

from paretune.spaces.training.erasing import erased


def test_erased_boxes_are_zero_and_have_the_area_and_ratio_of_the_paper() -> None:
    ones = torch.ones(400, 2, 40, 40)
    erased_images = erased(ones, 0.5, torch.Generator().manual_seed(0))
    erased_pixels = (erased_images == 0).all(1)
    assert set(erased_images.unique().tolist()) == {0.0, 1.0}
    hit = erased_pixels.flatten(1).any(1)
    assert 0.4 < float(hit.double().mean()) < 0.6
    boxes = erased_pixels[hit]
    heights, widths = boxes.any(2).sum(1), boxes.any(1).sum(1)
    areas = boxes.flatten(1).sum(1)
    assert torch.equal(heights * widths, areas)  # each is one rectangle
    shares = areas / 1600
    assert 0.015 < float(shares.min()) < 0.05
    assert 0.28 < float(shares.max()) < 0.36
    ratios = (heights / widths)[(heights < 40) & (widths < 40)]
    assert 0.25 < float(ratios.min()) < 0.5
    assert 2 < float(ratios.max()) < 3.7
