"""Stages of inverted residuals: the search space of MnasNet and its successors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from paretune.spaces.architecture.image_params import StemParams
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch

SMALLEST = 4
"""No stage halves an image to a side of fewer pixels."""


class StagedStage(Params):
    """Options of one stage."""

    width: int = Field(ge=4, le=2048, description="output channels of the stage")
    kernel: Literal[1, 3, 5, 7, 9] = Field(
        3, description="kernel size of the stage's depthwise convolutions, in pixels"
    )
    depth: int = Field(1, ge=1, le=32, description="number of blocks in the stage")
    expansion: int = Field(
        4, ge=1, le=16, description="hidden channels of a block, as a multiple of its input's"
    )
    stride: Literal[1, 2] = Field(
        2, description="stride of the stage's first block; 2 halves the image"
    )
    se: bool = Field(False, description="squeeze-excitation in each block of the stage")


DEFAULT = [
    StagedStage(width=16, expansion=1, stride=1),
    StagedStage(width=24, depth=2),
    StagedStage(width=40, depth=2, kernel=5),
    StagedStage(width=80, depth=2),
]


class Staged:
    """Stages of inverted residuals, each with its own width, kernel, depth and expansion.

    This is the space of MnasNet (https://arxiv.org/abs/1807.11626) and its successors. Every field
    of every stage can be a domain (`architecture.staged.stages.0.kernel`).
    """

    version = 1

    class Params(StemParams):
        """Options of staged."""

        stages: list[StagedStage] = Field(
            DEFAULT,
            min_length=1,
            max_length=10,
            description="stages, from the image to the head",
        )
        stem_width: int = Field(
            16, ge=4, le=512, description="output channels of the first convolution"
        )
        head_width: int = Field(
            256, ge=4, le=4096, description="output channels of the last 1x1 convolution"
        )

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        No stage halves an image to under 4 pixels a side. The standard stem halves the image once;
        the small stem does not.
        """
        from torch import nn

        from paretune.spaces.architecture.blocks import InvertedResidual, conv_bn_relu

        small, width = params.small(shape), params.stem_width
        side = min(shape[1:]) // (1 if small else 2)
        layers = conv_bn_relu(shape[0], width, stride=1 if small else 2)
        for stage in params.stages:
            halves = stage.stride == 2 and side // 2 >= SMALLEST
            side //= 2 if halves else 1
            for block in range(stage.depth):
                stride = 2 if halves and block == 0 else 1
                layers.append(
                    InvertedResidual(
                        width, stage.width, stage.kernel, stride, stage.expansion, stage.se
                    )
                )
                width = stage.width
        layers += conv_bn_relu(width, params.head_width, kernel=1)
        head = nn.Linear(params.head_width, classes)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
