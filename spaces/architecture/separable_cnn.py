"""A small network of depthwise separable convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import WIDTH_TEXT, ImageParams
from paretune.spaces.architecture.width_multiplier import scaled

if TYPE_CHECKING:
    import torch

STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
"""Channels and stride of each separable block at width 1."""

SMALLEST = 4
"""No block halves an image to a side of fewer pixels."""


class SeparableCnn:
    """Depthwise separable convolutions (MobileNet's block, https://arxiv.org/abs/1704.04861)."""

    version = 1

    class Params(ImageParams):
        """Options of separable_cnn."""

        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        It has a 3x3 stem, five separable blocks and average pooling.
        """
        from torch import nn

        from paretune.spaces.architecture.blocks import conv_bn_relu, separable_block

        channels, *sides = shape
        side = min(sides)
        width = scaled(32, params.width)
        layers = conv_bn_relu(channels, width)
        for base, full_stride in STAGES:
            out = scaled(base, params.width)
            stride = full_stride if side // full_stride >= SMALLEST else 1
            side //= stride
            layers += separable_block(width, out, stride)
            width = out
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
        return nn.Sequential(*layers)
