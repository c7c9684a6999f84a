"""RandAugment (https://arxiv.org/abs/1909.13719) on whole batches, on the batch's device."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional

from paretune.spaces.training import colours
from paretune.spaces.training.recipe import RandAugment

LEVELS = 30
"""Largest magnitude."""

Pixels = torch.Tensor
"""Images [B, C, H, W] with values in [0, 1]."""

GEOMETRY = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")

BLENDS: dict[str, Callable[[Pixels, torch.Tensor], Pixels]] = {
    "brightness": colours.brightness,
    "saturation": colours.saturation,
    "contrast": colours.contrast,
    "sharpness": colours.sharpness,
}

"""Operations that take a factor above or below 1, by their sign."""

UNSIGNED: dict[str, Callable[[Pixels, float], Pixels]] = {
    "posterize": lambda x, level: colours.posterize(x, 8 - round(4 * level)),
    "solarize": lambda x, level: colours.solarize(x, 1 - level),
    "autocontrast": lambda x, level: colours.autocontrast(x),
    "equalize": lambda x, level: colours.equalize(x),
}

"""Operations without a sign."""

OPERATIONS = ("identity", *GEOMETRY, *BLENDS, *UNSIGNED)
"""The paper's fourteen operations, with the ranges of torchvision's RandAugment."""


def randaugmented(
    images: torch.Tensor,
    options: RandAugment,
    black: torch.Tensor,
    white: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Returns each image after `options.operations` random changes, drawn for each image.

    Args:
        images: Normalized images [B, C, H, W]; not changed.
        options: Number of operations and their strength.
        black: Normalized value of a black pixel for each channel, [C].
        white: Normalized value of a white pixel for each channel, [C].
        generator: A generator on the CPU, so that the changes are the same on every device.
    """
    scale = (white - black).to(images)[None, :, None, None]
    shift = black.to(images)[None, :, None, None]
    pixels = ((images - shift) / scale).clamp(0, 1)
    level = options.magnitude / LEVELS
    for _ in range(options.operations):
        operations = torch.randint(len(OPERATIONS), (len(images),), generator=generator)
        signs = torch.randint(2, (len(images),), generator=generator) * 2.0 - 1
        pixels = _apply(pixels, operations, signs, level)
    return torch.addcmul(shift, pixels, scale)


def _apply(pixels: Pixels, operations: torch.Tensor, signs: torch.Tensor, level: float) -> Pixels:
    """Applies one operation to each image; `operations` and `signs` are [B], on the CPU."""
    pixels = pixels.clone()
    geometric = (operations >= 1) & (operations <= len(GEOMETRY))
    rows = geometric.nonzero()[:, 0]
    if len(rows):
        matrices = geometry(operations[rows], signs[rows], level, pixels.shape[2], pixels.shape[3])
        index = rows.to(pixels.device)
        pixels[index] = warped(pixels[index], matrices)
    for number, name in enumerate(OPERATIONS):
        rows = (operations == number).nonzero()[:, 0]
        if name == "identity" or name in GEOMETRY or not len(rows):
            continue
        index = rows.to(pixels.device)
        if name in BLENDS:
            factors = (1 + 0.9 * level * signs[rows]).to(pixels)[:, None, None, None]
            pixels[index] = BLENDS[name](pixels[index], factors)
        else:
            pixels[index] = UNSIGNED[name](pixels[index], level)
    return pixels


def geometry(
    operations: torch.Tensor, signs: torch.Tensor, level: float, height: int, width: int
) -> torch.Tensor:
    """Returns the matrices M [B, 2, 3] that map output pixels to their source pixels.

    (x, y) = M (x', y', 1) on coordinates around the image's centre. Shears go up to 0.3,
    translations to 150/331 of the side (the paper's ImageNet figure), rotations to 30 degrees. The
    signs choose the directions.
    """
    strength = signs * level
    names = [OPERATIONS[int(number)] for number in operations]
    matrices = torch.eye(2, 3).repeat(len(names), 1, 1)
    for matrix, name, amount in zip(matrices, names, strength.tolist(), strict=True):
        match name:
            case "shear_x":
                matrix[0, 1] = 0.3 * amount
            case "shear_y":
                matrix[1, 0] = 0.3 * amount
            case "translate_x":
                matrix[0, 2] = 150 / 331 * width * amount
            case "translate_y":
                matrix[1, 2] = 150 / 331 * height * amount
            case "rotate":
                angle = math.radians(30 * amount)
                matrix[0, 0] = matrix[1, 1] = math.cos(angle)
                matrix[0, 1], matrix[1, 0] = -math.sin(angle), math.sin(angle)
    return matrices


def warped(pixels: Pixels, matrices: torch.Tensor) -> Pixels:
    """Returns images warped by the matrices of `geometry`; bilinear, black outside the image."""
    height, width = pixels.shape[2:]
    # grid_sample's unit is half a side of the image, that of the matrices is a pixel.
    units = torch.tensor([width / 2, height / 2, 1.0])
    theta = (matrices * units / units[:2, None]).to(pixels)
    grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid, align_corners=False).clamp_(0, 1)
