"""SqueezeNet with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import DROPOUT_TEXT, WIDTH_TEXT, StemParams
from paretune.spaces.architecture.width_multiplier import scaled

if TYPE_CHECKING:
    import torch

STAGES = (
    ((16, 64), (16, 64)),
    ((32, 128), (32, 128)),
    ((48, 192), (48, 192), (64, 256), (64, 256)),
)
"""Channels of each Fire module (version 1.1): of the squeeze, and of each of the two expansions."""


class SqueezeNet:
    """SqueezeNet 1.1: Fire modules without normalization (https://arxiv.org/abs/1602.07360).

    The last convolution has no ReLU, so that logits can be negative.
    """

    version = 1

    class Params(StemParams):
        """Options of squeezenet."""

        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)
        dropout: float = Field(0.5, ge=0, lt=1, description=DROPOUT_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]; the last layer is a 1x1 convolution."""
        from torch import nn
        from torchvision.models.squeezenet import Fire

        small, width = params.small(shape), scaled(64, params.width)
        layers: list[nn.Module] = [
            nn.Conv2d(shape[0], width, 3, stride=1 if small else 2, padding=1 if small else 0),
            nn.ReLU(inplace=True),
        ]
        for index, stage in enumerate(STAGES):
            if index > 0 or not small:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            for squeezed, expanded in stage:
                out = scaled(expanded, params.width)
                layers.append(Fire(width, scaled(squeezed, params.width), out, out))
                width = 2 * out
        head = nn.Conv2d(width, classes, 1)
        _initialize(layers, head)
        classifier = [nn.Dropout(params.dropout), head, nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, *classifier)


def _initialize(layers: list[torch.nn.Module], head: torch.nn.Module) -> None:
    """Draws torchvision's initial weights; without normalization the default ones fade out."""
    from torch import nn

    for module in nn.ModuleList([*layers, head]).modules():
        if isinstance(module, nn.Conv2d):
            if module is head:
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
            else:
                nn.init.kaiming_uniform_(module.weight)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
