"""Augmentation of whole batches on the device they are on."""

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
    """Randomly changed images; pairs of them are mixed after this, with their labels (mixing.py).

    Args:
        images: [B, C, H, W], normalized.
        augment: What to do.
        border: Value of a black pixel for each channel, [C]: what comes in at the edges.
        white: Value of a white pixel for each channel, [C].
        generator: On the CPU, so that every device sees the same changes.
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
    images: torch.Tensor, most: int, black: Sequence[float], generator: torch.Generator
) -> torch.Tensor:
    """Pads by `most` and cuts each image out at its own offset, by one gather."""
    count, _, height, width = images.shape
    # Padding with zeros of images whose black is zero is padding with black.
    black = torch.tensor(black, dtype=images.dtype, device=images.device)[None, :, None, None]
    padded = functional.pad(images - black, (most,) * 4) + black
    offsets = torch.randint(0, 2 * most + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    # Advanced indices around a slice put the channels last: [B, H, W, C].
    cut = padded[which, :, rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2)
