"""Normalizes 8-bit images by the mean and standard deviation of each channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

Normalize = Callable[[torch.Tensor], torch.Tensor]
"""Images uint8 [B, C, H, W] -> float32 [B, C, H, W]."""


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of pixels from 0 to 1, for each channel.

    Attributes:
        mean: Mean of each channel.
        std: Standard deviation of each channel.
        exact: Whether the result equals that of torchvision's ToTensor and Normalize in every bit.
            If not, it is rounded once instead of three times, which is faster.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    exact: bool

    def on(self, device: str) -> Normalize:
        """Returns a function that normalizes images on a device."""
        mean = torch.tensor(self.mean)[:, None, None].to(device)
        std = torch.tensor(self.std)[:, None, None].to(device)
        if self.exact:
            return lambda images: images.float().div_(255).sub_(mean).div_(std)
        scale, shift = 1 / (255 * std), -mean / std
        # One fused multiply-add instead of a division, a subtraction and a division.
        return lambda images: torch.addcmul(shift, images.float(), scale)


def statistics(
    batches: Iterable[torch.Tensor], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation in [0, 1] of each channel.

    Args:
        batches: Images uint8 [B, C, H, W].
        channels: Number of channels.
    """
    count = 0
    total = torch.zeros(channels, dtype=torch.float64)
    squares = torch.zeros_like(total)
    for images in batches:
        pixels = images.float().div_(255).transpose(0, 1).flatten(1)
        total += pixels.sum(1, dtype=torch.float64)
        squares += pixels.square().sum(1, dtype=torch.float64)
        count += pixels.shape[1]
    mean = total / count
    deviation = (squares / count - mean**2).clamp(min=0).sqrt()
    deviation[deviation < 1e-6] = 1.0  # a constant channel stays constant
    # Rounded, so that a sum in another order gives the same stage keys.
    return (
        tuple(round(float(m), 6) for m in mean),
        tuple(round(float(d), 6) for d in deviation),
    )
