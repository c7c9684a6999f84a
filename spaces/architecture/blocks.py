"""Torch modules that several architectures are made of."""

from __future__ import annotations

import torch
from torch import nn

from spaces.architecture.shortcuts import PaddedShortcut


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, https://arxiv.org/abs/1512.03385).

    Where the shape changes, the shortcut is a 1x1 convolution (option B) or, with `padded`, every
    second pixel with channels of zeros (option A); elsewhere it is the identity.
    """

    def __init__(
        self, channels_in: int, channels_out: int, stride: int, padded: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.shortcut = shortcut(channels_in, channels_out, stride, padded)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, H, W] -> [B, out, H / stride, W / stride]."""
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def shortcut(channels_in: int, channels_out: int, stride: int, padded: bool) -> nn.Module:
    """The shortcut of a residual block: option A (padded) or B, or the identity."""
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    if padded:
        return PaddedShortcut(channels_in, channels_out, stride)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )
