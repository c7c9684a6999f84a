"""The network of the family detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.architecture.blocks import BasicBlock, InvertedResidual, conv_bn_relu

SIDES = 4
"""Values of a cell before its class logits: distances to left, top, right and bottom."""

FIRST_SCORE = 0.01
"""Score of every class before training, so that many empty cells cost little at first (focal loss,
https://arxiv.org/abs/1708.02002, section 3.3)."""

EXPANSION = 4
"""Factor on the channels inside an inverted residual."""


class DetectorNetwork(nn.Module):
    """A backbone that halves the image, a top-down path to the output's size, and a head.

    Args:
        channels: Channels of the images.
        values: Values of a cell: 4 sides, and a logit for each class.
        widths: Channels after each halving.
        depth: Residual blocks after each halving.
        separable: Use inverted residuals with depthwise convolutions.
        halvings: Halvings from the image to the output.
        neck: Channels of the top-down path and of the head.
        head: 3x3 convolutions before the last layer.
    """

    def __init__(
        self,
        channels: int,
        values: int,
        *,
        widths: Sequence[int],
        depth: int,
        separable: bool,
        halvings: int,
        neck: int,
        head: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_bn_relu(channels, widths[0], stride=2))
        self.stages = nn.ModuleList(
            _stage(before, width, depth, separable) for before, width in pairwise(widths)
        )
        self.skipped = halvings - 1
        used = list(widths[self.skipped :])
        self.lateral = nn.ModuleList(nn.Conv2d(width, neck, 1) for width in used)
        layers: list[nn.Module] = []
        for _ in range(head):
            layers += conv_bn_relu(neck, neck)
        self.head = nn.Sequential(*layers, nn.Conv2d(neck, values, 1))
        with torch.no_grad():
            bias = self.head[-1].bias
            assert isinstance(bias, torch.Tensor)
            bias[:SIDES] = 0.0  # boxes of two cells
            bias[SIDES:] = math.log(FIRST_SCORE / (1 - FIRST_SCORE))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, values, H / stride, W / stride], rounded up."""
        levels = [self.stem(images)]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        maps = [layer(x) for layer, x in zip(self.lateral, levels[self.skipped :], strict=True)]
        merged = maps.pop()
        while maps:
            finer = maps.pop()
            merged = finer + functional.interpolate(merged, size=finer.shape[2:], mode="nearest")
        return self.head(merged)  # type: ignore[no-any-return]


def _stage(channels_in: int, channels_out: int, depth: int, separable: bool) -> nn.Sequential:
    """Returns residual blocks, of which the first halves the image."""
    blocks: list[nn.Module] = []
    for index in range(depth):
        before, stride = (channels_out, 1) if index else (channels_in, 2)
        blocks.append(
            InvertedResidual(before, channels_out, 3, stride, EXPANSION, se=False)
            if separable
            else BasicBlock(before, channels_out, stride)
        )
    return nn.Sequential(*blocks)
