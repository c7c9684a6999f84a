"""The network of the family unet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.architecture.blocks import conv_bn_relu, separable_block


class UNetNetwork(nn.Module):
    """Levels of convolutions down to small images and up again, with skips between equal sizes.

    Args:
        channels: Channels of the images.
        widths: Channels of each level, from full size down.
        classes: Values for each pixel.
        convs: Convolutions of a level.
        separable: Make them depthwise separable.
        transposed: Enlarge by transposed convolutions, not by bilinear interpolation.
        dropout: Share of the lowest level's channels that training drops, in [0, 1).
        fits: Every image can be halved once for each level below. If not, zeros below and to the
            right of it fill it up, and the mask is cut back to its size.
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int],
        classes: int,
        *,
        convs: int,
        separable: bool,
        transposed: bool,
        dropout: float,
        fits: bool,
    ) -> None:
        super().__init__()
        self.multiple = 1 if fits else 2 ** (len(widths) - 1)
        before = [channels, *widths[:-1]]
        self.down = nn.ModuleList(
            _level(i, o, convs, separable) for i, o in zip(before, widths, strict=True)
        )
        self.halve = nn.MaxPool2d(2)
        self.drop = nn.Dropout2d(dropout)
        steps = [(widths[i], widths[i - 1]) for i in range(len(widths) - 1, 0, -1)]
        self.enlarge = nn.ModuleList(_enlarged(i, o, transposed) for i, o in steps)
        self.up = nn.ModuleList(_level(2 * o, o, convs, separable) for _, o in steps)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, classes, H, W]."""
        height, width = images.shape[2], images.shape[3]
        if self.multiple > 1:
            right, below = -width % self.multiple, -height % self.multiple
            images = functional.pad(images, (0, right, 0, below))
        skips: list[torch.Tensor] = []
        x = images
        for level in self.down:
            x = level(self.halve(x) if skips else x)
            skips.append(x)
        x = self.drop(skips.pop())
        for enlarge, level in zip(self.enlarge, self.up, strict=True):
            x = level(torch.cat([skips.pop(), enlarge(x)], 1))
        mask: torch.Tensor = self.head(x)
        return mask[:, :, :height, :width] if self.multiple > 1 else mask


def _level(channels_in: int, channels_out: int, convs: int, separable: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(convs):
        before = channels_out if index else channels_in
        layers += (
            separable_block(before, channels_out, stride=1)
            if separable
            else conv_bn_relu(before, channels_out)
        )
    return nn.Sequential(*layers)


def _enlarged(channels_in: int, channels_out: int, transposed: bool) -> nn.Module:
    """Returns a module that doubles height and width."""
    if transposed:
        return nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
    # The convolution comes first: it is cheaper on the smaller image, with the same result.
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1),
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    )
