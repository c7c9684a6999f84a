"""A convolutional network for series: sensors, sounds as waves, measurements over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from paretune.inputs import Shape, single_shape
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch
    from torch import nn

SMALLEST = 4
"""No layer shortens a series to fewer steps."""


class Conv1d:
    """Convolutions along time for series, with batch normalization and a mean over time."""

    version = 1
    takes = "series"

    class Params(Params):
        """Options of conv1d."""

        depth: int = Field(3, ge=1, le=32, description="number of convolution blocks")
        width: int = Field(32, ge=1, le=4096, description="channels of the first block")
        growth: float = Field(
            2.0, ge=1, le=4, description="factor on the channels from block to block"
        )
        widest: int = Field(256, ge=1, le=8192, description="limit of a block's channels")
        kernel: int = Field(7, ge=1, le=255, description="steps that a convolution covers; odd")
        stride: int = Field(
            2, ge=1, le=16, description="each block keeps one of this many steps, down to 4 steps"
        )
        kind: Literal["plain", "separable"] = Field(
            "plain",
            description="kind of convolution: plain, or depthwise separable after the first block",
        )
        dropout: float = Field(
            0.0, ge=0, lt=1, description="share of units dropped before the last layer, in training"
        )

        def plan(self) -> list[int]:
            """Returns the channels of each block."""
            return [
                min(self.widest, round(self.width * self.growth**index))
                for index in range(self.depth)
            ]

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, T] -> [B, classes]."""
        from torch import nn

        channels, steps = single_shape(shape)
        layers: list[nn.Module] = []
        for index, width in enumerate(params.plan()):
            stride = params.stride if steps // params.stride >= SMALLEST else 1
            steps //= stride
            separable = params.kind == "separable" and index > 0
            layers += _block(channels, width, params.kernel, stride, separable)
            channels = width
        layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
        if params.dropout:
            layers.append(nn.Dropout(params.dropout))
        return nn.Sequential(*layers, nn.Linear(channels, classes))


def _block(before: int, width: int, kernel: int, stride: int, separable: bool) -> list[nn.Module]:
    """Returns a convolution block; a separable one is a depthwise and a pointwise convolution."""
    if not separable:
        return _conv(before, width, kernel, stride)
    return [*_conv(before, before, kernel, stride, groups=before), *_conv(before, width, 1)]


def _conv(
    before: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    from torch import nn

    return [
        nn.Conv1d(before, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
    ]
