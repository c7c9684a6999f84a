"""A network that resizes its input: resolution as a dimension of the space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Resized(nn.Module):
    """Resizes images as its first step, so that the exported file takes the original ones.

    Bilinear. Where a side falls to a half or less, means over blocks of pixels come first, so that
    no pixel is left out (ONNX knows antialiasing only from opset 18 on).

    Args:
        network: Made for images of the size `after`.
        before: Height and width of the images.
        after: Height and width that the network sees.
    """

    def __init__(self, network: nn.Module, before: tuple[int, int], after: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.after = after
        self.block = (max(1, before[0] // after[0]), max(1, before[1] // after[1]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> what the network gives."""
        if self.block != (1, 1):
            images = F.avg_pool2d(images, self.block)
        if tuple(images.shape[2:]) != self.after:
            images = F.interpolate(images, self.after, mode="bilinear", align_corners=False)
        return self.network(images)  # type: ignore[no-any-return]
