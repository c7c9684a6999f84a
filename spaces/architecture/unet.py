"""U-Net: a mask with one vector of class scores for each pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from paretune.inputs import Shape, image_shape, varies
from paretune.spaces.architecture.image_params import ImageParams

if TYPE_CHECKING:
    import torch


class UNet:
    """U-Net for masks (https://arxiv.org/abs/1505.04597), for images of any height and width."""

    version = 1
    gives = "pixel"
    any_size = True

    class Params(ImageParams):
        """Options of unet."""

        width: int = Field(
            16, ge=1, le=512, description="channels at full size; each level below doubles them"
        )
        depth: int = Field(
            4, ge=1, le=6, description="number of levels below; each halves the image"
        )
        convs: int = Field(2, ge=1, le=4, description="convolutions of a level")
        kind: Literal["plain", "separable"] = Field(
            "plain", description="kind of 3x3 convolution: plain, or depthwise separable"
        )
        up: Literal["transposed", "bilinear"] = Field(
            "transposed",
            description="how a level is enlarged: by a transposed convolution, or by bilinear "
            "interpolation and a 1x1 convolution",
        )
        widest: int = Field(512, ge=1, le=4096, description="limit of a level's channels")
        dropout: float = Field(
            0.0, ge=0, lt=1, description="share of channels of the lowest level dropped in training"
        )

        def plan(self) -> list[int]:
            """Returns the channels of each level, from full size down."""
            return [min(self.widest, self.width * 2**level) for level in range(self.depth + 1)]

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes, H, W]."""
        from paretune.spaces.architecture.unet_network import UNetNetwork

        channels, height, width = image_shape(shape)
        multiple = 2**params.depth
        return UNetNetwork(
            channels,
            params.plan(),
            classes,
            convs=params.convs,
            separable=params.kind == "separable",
            transposed=params.up == "transposed",
            dropout=params.dropout,
            fits=not varies(shape) and height % multiple == 0 and width % multiple == 0,
        )
