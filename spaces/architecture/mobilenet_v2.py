"""MobileNetV2 with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import WIDTH_TEXT, StemParams

if TYPE_CHECKING:
    import torch


class MobileNetV2:
    """Inverted residuals with linear bottlenecks (https://arxiv.org/abs/1801.04381)."""

    version = 1

    class Params(StemParams):
        """Options of mobilenet_v2."""

        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torchvision.models import mobilenet_v2

        from paretune.spaces.architecture.fitting import fit_channels, remove_strides

        network = mobilenet_v2(width_mult=params.width, num_classes=classes)
        fit_channels(network, shape[0], keep=False)
        if params.small(shape):
            remove_strides(network.features[0], network.features[2])
        return network  # type: ignore[no-any-return]
