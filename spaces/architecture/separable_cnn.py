"""A small network of depthwise separable convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spaces.architecture.widths import scaled
from spaces.params import Params

if TYPE_CHECKING:
    import torch

STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
"""Channels and stride of each separable block at width 1."""

SMALLEST = 4
"""No block halves an image to fewer pixels than this."""


class SeparableCnn:
    """Depthwise separable convolutions (MobileNet's block, https://arxiv.org/abs/1704.04861)."""

    version = 1

    class Params(Params):
        """Options of separable_cnn."""

        width: float = Field(1.0, gt=0, le=4, description="multiplies the channels")

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """[B, C, H, W] -> [B, classes]: a 3x3 stem, five separable blocks, average pooling."""
        from torch import nn

        channels, *sides = shape
        side = min(sides)
        width = scaled(32, params.width)
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        for base, wanted in STAGES:
            out = scaled(base, params.width)
            stride = wanted if side // wanted >= SMALLEST else 1
            side //= stride
            layers += [
                nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, out, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.ReLU(),
            ]
            width = out
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
        return nn.Sequential(*layers)
