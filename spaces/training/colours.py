"""Changes of colour like those of PIL and torchvision, for pixels [B, C, H, W] in [0, 1]."""

from __future__ import annotations

import torch
from torch.nn import functional

GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R 601-2), as torchvision rounds them."""


def brightness(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales brightness: 0 is black, 1 the image; `factor` is [B, 1, 1, 1] here and below."""
    return (x * factor).clamp_(0, 1)


def saturation(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales saturation: 0 is grey, 1 the image. Returns images without three channels as is."""
    return _blend(grey(x), x, factor) if x.shape[1] == 3 else x


def contrast(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales contrast: 0 is the mean grey of the image, 1 the image."""
    return _blend(grey(x).mean((1, 2, 3), keepdim=True), x, factor)


def sharpness(x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scales sharpness: 0 is blurred, 1 the image, 2 sharpened. The outermost pixels stay."""
    if min(x.shape[2:]) < 3:
        return x
    kernel = torch.ones(3, 3, dtype=x.dtype, device=x.device)
    kernel[1, 1] = 5
    channels = x.shape[1]
    kernel = (kernel / 13).expand(channels, 1, 3, 3)
    blurred = x.clone()
    blurred[:, :, 1:-1, 1:-1] = functional.conv2d(x, kernel, groups=channels)
    return _blend(blurred, x, factor)


def posterize(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Keeps the first `bits` of the eight bits of each value."""
    levels = (x * 255).round()
    rest: torch.Tensor = levels % (256 >> bits)
    return (levels - rest) / 255


def solarize(x: torch.Tensor, threshold: float) -> torch.Tensor:
    """Inverts the values at or above the threshold."""
    return torch.where(x >= threshold, 1 - x, x)


def autocontrast(x: torch.Tensor) -> torch.Tensor:
    """Stretches each channel to [0, 1]; a constant channel stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    flat = high == low
    return torch.where(flat, x, (x - low) / torch.where(flat, 1, high - low))


def equalize(x: torch.Tensor) -> torch.Tensor:
    """Equalizes each channel's histogram of 256 bins, as PIL does."""
    count = x.shape[0] * x.shape[1]
    levels = (x * 255).round().long().reshape(count, -1)
    histogram = torch.zeros(count, 256, dtype=torch.long, device=x.device)
    histogram.scatter_add_(1, levels, torch.ones_like(levels))
    last = histogram.gather(1, levels.amax(1, keepdim=True))
    step = (levels.shape[1] - last) // 255
    before = histogram.cumsum(1) - histogram
    table = ((before + step // 2) // step.clamp(min=1)).clamp(0, 255)
    equalized = torch.where(step > 0, table.gather(1, levels), levels)
    return equalized.to(x.dtype).reshape(x.shape) / 255


def grey(x: torch.Tensor) -> torch.Tensor:
    """Returns the grey image, [B, C, H, W] -> [B, 1, H, W]."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    weights = torch.tensor(GREY, dtype=x.dtype, device=x.device)[None, :, None, None]
    return (x * weights).sum(1, keepdim=True)


def _blend(other: torch.Tensor, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return torch.lerp(other.expand_as(x), x, factor.expand_as(x)).clamp_(0, 1)
