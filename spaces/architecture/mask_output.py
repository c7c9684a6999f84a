"""The mask of a torchvision segmentation model, without its other outputs."""

from __future__ import annotations

import torch
from torch import nn


class MaskOutput(nn.Module):
    """Returns the output "out" of a model that gives a dict, and removes its auxiliary classifier.

    Args:
        network: A segmentation model of torchvision.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        network.aux_classifier = None  # type: ignore[assignment]
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, classes, H, W]."""
        return self.network(images)["out"]  # type: ignore[no-any-return]
