"""A network that resizes its input, so that resolution can be a dimension of the space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Resized(nn.Module):
    """Resizes images as its first step, so that the exported file takes the original images.

    The interpolation is bilinear. If a side shrinks to a half or less, means over blocks of pixels
    come first, so that every pixel counts (ONNX has antialiasing only from opset 18).

    Args:
        network: Network for images of the size `after`.
        before: Height and width of the images.
        after: Height and width after resizing.
        back: The network gives masks; resize them to the size of the images.
    """

    def __init__(
        self,
        network: nn.Module,
        before: tuple[int, int],
        after: tuple[int, int],
        back: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.after = after
        self.back = before if back else None
        self.block = (max(1, before[0] // after[0]), max(1, before[1] // after[1]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> output of the network; a mask has height and width of the images."""
        if self.block != (1, 1):
            images = F.avg_pool2d(images, self.block)
        if tuple(images.shape[2:]) != self.after:
            images = F.interpolate(images, self.after, mode="bilinear", align_corners=False)
        output: torch.Tensor = self.network(images)
        if self.back is not None and tuple(output.shape[2:]) != self.back:
            return F.interpolate(output, self.back, mode="bilinear", align_corners=False)
        return output
