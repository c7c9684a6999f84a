"""Random changes of whole batches of images, on the device of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from paretune.spaces.training.erasing import erased
from paretune.spaces.training.randaugment import randaugmented
from paretune.spaces.training.recipe import Augment


def augmented(
    images: torch.Tensor,
    augment: Augment,
    black: Sequence[float],
    white: Sequence[float],
    generator: torch.Generator,
) -> torch.Tensor:
    """Returns randomly changed images; mixing of images and labels follows later (mixing.py).

    Args:
        images: Normalized images [B, C, H, W]; not changed.
        augment: The kinds of changes and their strengths.
        black: Value of a black pixel for each channel, [C]; a crop fills edges with it.
        white: Value of a white pixel for each channel, [C].
        generator: A generator on the CPU, so that the changes are the same on every device.
    """
    if augment.crop:
        images = _shifted(images, augment.crop, black, generator)
    if augment.flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        where = mirrored.to(images.device)[:, None, None, None]
        images = torch.where(where, images.flip(3), images)
    if augment.randaugment.operations:
        ends = torch.tensor(black), torch.tensor(white)
        images = randaugmented(images, augment.randaugment, *ends, generator)
    if augment.erase:
        images = erased(images, augment.erase, generator)
    return images


def _shifted(
    images: torch.Tensor, pixels: int, black: Sequence[float], generator: torch.Generator
) -> torch.Tensor:
    """Returns images shifted by up to `pixels`, each by its own offset, with one gather."""
    count, _, height, width = images.shape
    # Padding fills with 0, so black is subtracted first and added again.
    border = torch.tensor(black, dtype=images.dtype, device=images.device)[None, :, None, None]
    padded = functional.pad(images - border, (pixels,) * 4) + border
    offsets = torch.randint(0, 2 * pixels + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)
    index = torch.arange(count, device=images.device)[:, None, None]
    # Advanced indices around a slice put the channels last: [B, H, W, C].
    cut = padded[index, :, rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)
