"""Torch modules that several architectures share."""

from __future__ import annotations

import torch
from torch import nn

from paretune.spaces.architecture.shortcuts import PaddedShortcut


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, https://arxiv.org/abs/1512.03385).

    If the shape changes, the shortcut is a 1x1 convolution (option B) or, with `padded`, every
    second pixel plus channels of zeros (option A). Otherwise it is the identity.
    """

    expansion = 1

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


class Bottleneck(nn.Module):
    """1x1 to `width`, 3x3, 1x1 to four times as many channels, and a shortcut.

    The stride is in the 3x3 convolution, as in torchvision.
    """

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int, padded: bool = False) -> None:
        super().__init__()
        out = self.expansion * width
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = shortcut(channels_in, out, stride, padded)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, H, W] -> [B, 4 * width, H / stride, W / stride]."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """1x1 to more channels, a depthwise convolution, 1x1 back, and a shortcut if the shapes agree.

    MobileNetV2's block (https://arxiv.org/abs/1801.04381) with a kernel of any odd size. `se` adds
    squeeze-excitation with a quarter of the input channels.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int,
        expansion: int,
        se: bool,
    ) -> None:
        super().__init__()
        hidden = expansion * channels_in
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += conv_bn_relu(channels_in, hidden, kernel=1)
        layers += conv_bn_relu(hidden, hidden, kernel, stride, groups=hidden)
        if se:
            from torchvision.ops import SqueezeExcitation  # 1 s and 150 MB, which few networks need

            layers.append(SqueezeExcitation(hidden, max(1, channels_in // 4)))
        layers += conv_bn_relu(hidden, channels_out, kernel=1)[:-1]  # a linear bottleneck
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, H, W] -> [B, out, H / stride, W / stride]."""
        out: torch.Tensor = self.layers(x)
        return x + out if self.adds else out


def conv_bn_relu(
    channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Returns a convolution, batch normalization and ReLU; only the stride changes the sides."""
    return [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]


def separable_block(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    """Returns MobileNetV1's block: a depthwise 3x3 and a 1x1 convolution."""
    return [
        *conv_bn_relu(channels_in, channels_in, 3, stride, groups=channels_in),
        *conv_bn_relu(channels_in, channels_out, kernel=1),
    ]


def shortcut(channels_in: int, channels_out: int, stride: int, padded: bool) -> nn.Module:
    """Returns the shortcut of a residual block: option A (padded), option B, or the identity."""
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    if padded:
        return PaddedShortcut(channels_in, channels_out, stride)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )
