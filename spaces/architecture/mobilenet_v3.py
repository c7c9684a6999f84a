"""MobileNetV3, small and large, with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from paretune.spaces.architecture.image_params import DROPOUT_TEXT, WIDTH_TEXT, StemParams

if TYPE_CHECKING:
    import torch


class MobileNetV3:
    """Inverted residuals with squeeze-excitation and h-swish (https://arxiv.org/abs/1905.02244)."""

    version = 1

    class Params(StemParams):
        """Options of mobilenet_v3."""

        size: Literal["small", "large"] = Field(
            "small", description="published variant: small has 11 blocks, large has 15"
        )
        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)
        dropout: float = Field(0.2, ge=0, lt=1, description=DROPOUT_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torchvision import models

        from paretune.spaces.architecture.fitting import fit_channels, remove_strides

        variant = models.mobilenet_v3_small if params.size == "small" else models.mobilenet_v3_large
        network = variant(width_mult=params.width, num_classes=classes, dropout=params.dropout)
        fit_channels(network, shape[0], keep=False)
        if params.small(shape):  # the second halving is in block 1 (small) or 2 (large)
            remove_strides(
                network.features[0], network.features[1 if params.size == "small" else 2]
            )
        return network  # type: ignore[no-any-return]
