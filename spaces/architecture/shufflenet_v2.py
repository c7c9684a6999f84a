"""ShuffleNetV2 with a width multiplier and a stem for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from paretune.spaces.architecture.image_params import WIDTH_TEXT, StemParams

if TYPE_CHECKING:
    import torch

PUBLISHED = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
"""Width -> channels of the three stages and the last convolution (table 5)."""


class ShuffleNetV2:
    """ShuffleNetV2: channel split and shuffle (https://arxiv.org/abs/1807.11164).

    Torch-Pruning cannot trace the shuffle, so structured pruning of this family is infeasible.
    """

    version = 1

    class Params(StemParams):
        """Options of shufflenet_v2."""

        width: float = Field(1.0, gt=0, le=4, description=WIDTH_TEXT)

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torch import nn
        from torchvision.models import ShuffleNetV2 as Network

        from paretune.spaces.architecture.fitting import fit_channels, remove_strides

        network = Network([4, 8, 4], [24, *_channels(params.width)], num_classes=classes)
        fit_channels(network, shape[0], keep=False)
        if params.small(shape):
            remove_strides(network.conv1)
            network.maxpool = nn.Identity()
        return network  # type: ignore[no-any-return]


def _channels(width: float) -> tuple[int, ...]:
    """Returns the published channels, or a multiple of width 1's.

    Channels are even, as each block splits them into halves.
    """
    if width in PUBLISHED:
        return PUBLISHED[width]
    *stages, last = PUBLISHED[1.0]
    return *(max(2, 2 * round(channels * width / 2)) for channels in stages), max(
        last, round(last * width)
    )
