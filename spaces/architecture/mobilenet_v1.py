"""MobileNetV1 with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import WIDTH_TEXT, StemParams
from paretune.spaces.architecture.width_multiplier import scaled

if TYPE_CHECKING:
    import torch

BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""Channels and stride of each block at width 1 (table 1 of the paper)."""


class MobileNetV1:
    """Depthwise separable convolutions (https://arxiv.org/abs/1704.04861, table 1)."""

    version = 1

    class Params(StemParams):
        """Options of mobilenet_v1."""

        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torch import nn

        from paretune.spaces.architecture.blocks import conv_bn_relu, separable_block

        small = params.small(shape)  # then the stem and the blocks of 128 channels halve nothing
        width = scaled(32, params.width)
        layers = conv_bn_relu(shape[0], width, stride=1 if small else 2)
        for channels, published_stride in BLOCKS:
            stride = 1 if channels == 128 and small else published_stride
            out = scaled(channels, params.width)
            layers += separable_block(width, out, stride)
            width = out
        return nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)
        )
