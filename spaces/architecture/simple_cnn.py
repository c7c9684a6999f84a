"""The plain convolutional network that model-compression tutorials begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.architecture.width_multiplier import scaled
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    import torch


class SimpleCnn:
    """Two convolutions of 64 and 128 channels and two fully connected layers (8192-256-classes)."""

    version = 1

    class Params(ImageParams):
        """Options of simple_cnn."""

        width: float = Field(
            1.0,
            gt=0,
            le=4,
            description="factor on the number of channels and on the hidden layer's width",
        )

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        ReLU and 2x2 max pooling follow each convolution.

        Raises:
            InfeasibleCandidate: Height or width is under 4 pixels.
        """
        from torch import nn

        channels, height, width = shape
        if min(height, width) < 4:
            raise InfeasibleCandidate(
                f"simple_cnn halves the image twice: it needs 4x4 pixels, got {height}x{width}"
            )
        first, second = scaled(64, params.width), scaled(128, params.width)
        hidden = scaled(256, params.width)
        return nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(second * (height // 4) * (width // 4), hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )
