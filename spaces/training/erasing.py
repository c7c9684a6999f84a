"""Random erasing (https://arxiv.org/abs/1708.04896)."""

from __future__ import annotations

import math

import torch

AREA = (0.02, 0.33)
"""Range of a box's share of the image's area, as in the paper and in torchvision."""

RATIO = (0.3, 3.3)
"""Range of a box's ratio of height to width, as in the paper and in torchvision."""


def erased(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Returns images with a box in the mean colour (zero, because images are normalized).

    Each box has a random share of the area and a random ratio of height to width. A box that would
    be higher or wider than the image is cut to its height or width.

    Args:
        images: Images [B, C, H, W]; not changed.
        probability: Probability of a box in an image, in [0, 1].
        generator: A generator on the CPU, so that the boxes are the same on every device.
    """
    count, _, height, width = images.shape
    chance, area, ratio, vertical, across = torch.rand(5, count, generator=generator)
    pixels = height * width * (AREA[0] + (AREA[1] - AREA[0]) * area)
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = torch.exp(low + (high - low) * ratio)
    tall = (pixels * ratio).sqrt().round().clamp(1, height)
    wide = (pixels / ratio).sqrt().round().clamp(1, width)
    top = (vertical * (height - tall + 1)).floor()
    left = (across * (width - wide + 1)).floor()
    top[chance >= probability] = height  # below the image: no box
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    box = (in_rows[:, None, :, None] & in_columns[:, None, None, :]).to(images.device)
    return images.masked_fill(box, 0.0)
