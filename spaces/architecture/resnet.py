"""Residual networks for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from spaces.params import Params

if TYPE_CHECKING:
    import torch


class ResNet:
    """CIFAR-style ResNet (He et al. 2016, section 4.2); 3 stages of 3 blocks are ResNet-20."""

    version = 1

    class Params(Params):
        """Options of resnet."""

        stages: int = Field(3, ge=1, le=5, description="each halves the image, doubles channels")
        blocks: int = Field(3, ge=1, le=64, description="residual blocks in a stage")
        width: int = Field(16, ge=4, le=512, description="channels of the first stage")
        shortcut: Literal["projection", "padding"] = Field(
            "projection",
            description="where the shape changes: a 1x1 convolution, or zeros without weights",
        )

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """[B, C, H, W] -> [B, classes]; a stage does not halve an image under 4 pixels."""
        from torch import nn

        from spaces.architecture.blocks import BasicBlock

        channels, *sides = shape
        side, width, padded = min(sides), params.width, params.shortcut == "padding"
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        for stage in range(params.stages):
            out = params.width * 2**stage
            stride = 2 if stage > 0 and side >= 8 else 1
            side //= stride
            for block in range(params.blocks):
                layers.append(BasicBlock(width, out, stride if block == 0 else 1, padded))
                width = out
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]
        return nn.Sequential(*layers)
