"""MobileNetV2 with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from spaces.params import Params

if TYPE_CHECKING:
    import torch

SMALL_STEM_UNDER = 64
"""Images with a smaller side lose too much to the standard network's 32-fold reduction."""


class MobileNetV2:
    """Inverted residuals with linear bottlenecks (https://arxiv.org/abs/1801.04381)."""

    version = 1

    class Params(Params):
        """Options of mobilenet_v2."""

        width: float = Field(1.0, gt=0, le=4, description="multiplies the channels")
        stem: Literal["auto", "small", "standard"] = Field(
            "auto", description="small: the first two halvings are left out; auto: under 64 pixels"
        )

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """[B, C, H, W] -> [B, classes]."""
        from torch import nn
        from torchvision.models import mobilenet_v2

        from spaces.architecture.stems import for_channels

        network = mobilenet_v2(width_mult=params.width, num_classes=classes)
        channels, *sides = shape
        for_channels(network, channels, keep=False)
        if params.stem == "small" or (params.stem == "auto" and min(sides) < SMALL_STEM_UNDER):
            strided = [
                m for m in network.modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1
            ]
            for convolution in strided[:2]:
                convolution.stride = (1, 1)
        return network  # type: ignore[no-any-return]
