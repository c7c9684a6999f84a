"""RandAugment (https://arxiv.org/abs/1909.13719) on whole batches, on the device they are on."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional

from paretune.spaces.training import colours
from paretune.spaces.training.recipe import RandAugment

LEVELS = 30
"""Of the magnitude."""

Pixels = torch.Tensor
"""[B, C, H, W] in [0, 1]."""

GEOMETRY = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")

BLENDS: dict[str, Callable[[Pixels, torch.Tensor], Pixels]] = {
    "brightness": colours.brightness,
    "saturation": colours.saturation,
    "contrast": colours.contrast,
    "sharpness": colours.sharpness,
}

FIXED: dict[str, Callable[[Pixels, float], Pixels]] = {
    "posterize": lambda x, level: colours.posterize(x, 8 - round(4 * level)),
    "solarize": lambda x, level: colours.solarize(x, 1 - level),
    "autocontrast": lambda x, level: colours.autocontrast(x),
    "equalize": lambda x, level: colours.equalize(x),
}

OPERATIONS = ("identity", *GEOMETRY, *BLENDS, *FIXED)
"""The paper's fourteen, with the ranges of torchvision's RandAugment."""


def randaugmented(
    images: torch.Tensor,
    options: RandAugment,
    black: torch.Tensor,
    white: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Each image after `operations` random changes, drawn for each image by itself.

    Args:
        images: [B, C, H, W], normalized; left as they are.
        options: How many operations, and how strong.
        black: The normalized value of a black pixel for each channel, [C].
        white: Of a white one, [C].
        generator: On the CPU, so that every device sees the same changes.
    """
    scale = (white - black).to(images)[None, :, None, None]
    shift = black.to(images)[None, :, None, None]
    pixels = ((images - shift) / scale).clamp(0, 1)
    level = options.magnitude / LEVELS
    for _ in range(options.operations):
        which = torch.randint(len(OPERATIONS), (len(images),), generator=generator)
        signs = torch.randint(2, (len(images),), generator=generator) * 2.0 - 1
        pixels = _applied(pixels, which, signs, level)
    return torch.addcmul(shift, pixels, scale)


def _applied(pixels: Pixels, which: torch.Tensor, signs: torch.Tensor, level: float) -> Pixels:
    """One operation for each image: `which` and `signs` are [B], on the CPU."""
    pixels = pixels.clone()
    moved = (which >= 1) & (which <= len(GEOMETRY))
    rows = moved.nonzero()[:, 0]
    if len(rows):
        matrices = geometry(which[rows], signs[rows], level, pixels.shape[2], pixels.shape[3])
        at = rows.to(pixels.device)
        pixels[at] = warped(pixels[at], matrices)
    for number, name in enumerate(OPERATIONS):
        rows = (which == number).nonzero()[:, 0]
        if name == "identity" or name in GEOMETRY or not len(rows):
            continue
        at = rows.to(pixels.device)
        if name in BLENDS:
            factors = (1 + 0.9 * level * signs[rows]).to(pixels)[:, None, None, None]
            pixels[at] = BLENDS[name](pixels[at], factors)
        else:
            pixels[at] = FIXED[name](pixels[at], level)
    return pixels


def geometry(
    which: torch.Tensor, signs: torch.Tensor, level: float, height: int, width: int
) -> torch.Tensor:
    """Where each pixel comes from: [B, 2, 3] on pixels around the centre, (x, y) = M (x', y', 1).

    Shears by up to 0.3, shifts by up to 150/331 of the side (the paper's ImageNet figure), turns by
    up to 30 degrees; `signs` says to which side.
    """
    strength = signs * level
    names = [OPERATIONS[int(i)] for i in which]
    matrices = torch.eye(2, 3).repeat(len(names), 1, 1)
    for matrix, name, by in zip(matrices, names, strength.tolist(), strict=True):
        match name:
            case "shear_x":
                matrix[0, 1] = 0.3 * by
            case "shear_y":
                matrix[1, 0] = 0.3 * by
            case "translate_x":
                matrix[0, 2] = 150 / 331 * width * by
            case "translate_y":
                matrix[1, 2] = 150 / 331 * height * by
            case "rotate":
                angle = math.radians(30 * by)
                matrix[0, 0] = matrix[1, 1] = math.cos(angle)
                matrix[0, 1], matrix[1, 0] = -math.sin(angle), math.sin(angle)
    return matrices


def warped(pixels: Pixels, matrices: torch.Tensor) -> Pixels:
    """Images seen through `geometry`'s matrices, bilinear, with black outside."""
    height, width = pixels.shape[2:]
    # grid_sample counts in halves of a side: the matrix is brought into that unit.
    units = torch.tensor([width / 2, height / 2, 1.0])
    theta = (matrices * units / units[:2, None]).to(pixels)
    grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, align_corners=False).clamp_(0, 1)
