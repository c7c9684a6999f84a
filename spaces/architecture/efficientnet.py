"""EfficientNet with compound scaling, or with separate width, depth and resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from paretune.inputs import ImageShape
from paretune.spaces.architecture.image_params import DROPOUT_TEXT, StemParams

if TYPE_CHECKING:
    import torch

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15
"""Factors per step of phi, for twice the MACs (https://arxiv.org/abs/1905.11946, section 4)."""

STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
"""Expansion, kernel, stride, channels in and out, and layers of B0's stages (table 1)."""


class EfficientNet:
    """EfficientNet by `phi`, or by width, depth and resolution (https://arxiv.org/abs/1905.11946).

    phi = 0 is B0 at the images' own resolution. Each step multiplies depth by 1.2, width by 1.1 and
    the images' side by 1.15. The published B1 to B7 round these (B1 is width 1.0, depth 1.1).
    """

    version = 1

    class Params(StemParams):
        """Options of efficientnet."""

        phi: float | None = Field(
            None,
            ge=-8,
            le=7,
            description="compound scaling of width, depth and resolution; 0 is B0",
        )
        width: float | None = Field(
            None, gt=0, le=4, description="factor on the channels of B0; excludes phi"
        )
        depth: float | None = Field(
            None, gt=0, le=4, description="factor on the layers of B0; excludes phi"
        )
        dropout: float = Field(0.2, ge=0, lt=1, description=DROPOUT_TEXT)

        @model_validator(mode="after")
        def _one_or_three(self) -> EfficientNet.Params:
            single = [n for n in ("width", "depth", "resolution") if getattr(self, n) is not None]
            if self.phi is not None and single:
                raise ValueError(f"phi scales {', '.join(single)} already; give phi or these")
            return self

        def side(self, shape: ImageShape) -> int | None:
            """Returns the shorter side in pixels; phi scales the side of the data's images."""
            if self.phi is None:
                return self.resolution
            scale: float = RESOLUTION**self.phi
            return max(4, round(min(shape[1:]) * scale))

    @staticmethod
    def build(params: Params, shape: ImageShape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torchvision.models.efficientnet import EfficientNet as Network
        from torchvision.models.efficientnet import MBConvConfig

        from paretune.spaces.architecture.fitting import fit_channels, remove_strides

        phi = params.phi or 0.0
        width, depth = params.width or WIDTH**phi, params.depth or DEPTH**phi
        # Rounding errors as in 1.1 ** 1 * 1.2 ** 0 must not add a layer.
        stages = [MBConvConfig(*stage, width, round(depth, 9)) for stage in STAGES]
        network = Network(stages, dropout=params.dropout, num_classes=classes)
        fit_channels(network, shape[0], keep=False)
        if params.small(shape):
            remove_strides(network.features[0], network.features[2])
        return network  # type: ignore[no-any-return]
