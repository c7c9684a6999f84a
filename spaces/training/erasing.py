"""Random erasing (https://arxiv.org/abs/1708.04896)."""

from __future__ import annotations

import math

import torch

AREA = (0.02, 0.33)
RATIO = (0.3, 3.3)
"""The paper's ranges, and torchvision's."""


def erased(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Images in which a box is the mean colour (zero, as images are normalized).

    Each box has its own share of the area and its own ratio of height to width; one that would
    stick out of the image is as high or wide as the image.

    Args:
        images: [B, C, H, W]; left as they are.
        probability: Of an image to be erased in.
        generator: On the CPU, so that every device sees the same changes.
    """
    count, _, height, width = images.shape
    chance, area, ratio, down, across = torch.rand(5, count, generator=generator)
    pixels = height * width * (AREA[0] + (AREA[1] - AREA[0]) * area)
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = torch.exp(low + (high - low) * ratio)
    tall = (pixels * ratio).sqrt().round().clamp(1, height)
    wide = (pixels / ratio).sqrt().round().clamp(1, width)
    top = (down * (height - tall + 1)).floor()
    left = (across * (width - wide + 1)).floor()
    top[chance >= probability] = height  # below the image: no box
    rows, columns = torch.arange(height), torch.arange(width)
    inside = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    beside = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    box = (inside[:, None, :, None] & beside[:, None, None, :]).to(images.device)
    return images.masked_fill(box, 0.0)
