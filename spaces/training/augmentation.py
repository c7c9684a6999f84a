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
        images = _mirrored(images, torch.rand(len(images), generator=generator) < 0.5)
    if augment.randaugment.operations:
        ends = torch.tensor(black), torch.tensor(white)
        images = randaugmented(images, augment.randaugment, *ends, generator)
    if augment.erase:
        images = erased(images, augment.erase, generator)
    return images


def augmented_with_masks(
    images: torch.Tensor, masks: torch.Tensor, augment: Augment, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns images and masks shifted and mirrored together.

    A shift repeats the pixels at the edge, of image and mask alike, so no pixel needs a new class.

    Args:
        images: Normalized images [B, C, H, W]; not changed.
        masks: Class of each pixel [B, H, W], or [B, labels, H, W]; not changed.
        augment: `crop` and `flip`.
        generator: A generator on the CPU.
    """
    if augment.crop:
        offsets = torch.randint(
            -augment.crop, augment.crop + 1, (2, len(images)), generator=generator
        )
        images, masks = (_shifted_with_edges(x, offsets.to(x.device)) for x in (images, masks))
    if augment.flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images, masks = _mirrored(images, mirrored), _mirrored(masks, mirrored)
    return images, masks


def _mirrored(images: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Returns [B, ..., W] with the chosen examples mirrored left to right."""
    index = where.to(images.device).reshape(-1, *[1] * (images.ndim - 1))
    return torch.where(index, images.flip(-1), images)


def _shifted_with_edges(images: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Returns [B, ..., H, W], each example shifted by its offsets [2, B] of rows and columns."""
    count, height, width = len(images), images.shape[-2], images.shape[-1]
    rows = (offsets[0][:, None] + torch.arange(height, device=images.device)).clamp(0, height - 1)
    columns = (offsets[1][:, None] + torch.arange(width, device=images.device)).clamp(0, width - 1)
    flat = images.reshape(count, -1, height, width)
    index = torch.arange(count, device=images.device)[:, None, None]
    # Advanced indices around a slice put the channels last: [B, H, W, C].
    cut = flat[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return cut.reshape(images.shape)


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
