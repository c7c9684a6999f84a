"""Options that the families of image networks share: resolution and stem."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paretune.inputs import ImageShape
from paretune.spaces.params import Params

Stem = Literal["auto", "small", "standard"]
"""The first layers of a network: standard for photographs, small for images of 28 to 64 pixels."""

STEM_TEXT = (
    "first layers of the network; small omits the first two halvings of the image; "
    "auto: small for images under 64 pixels"
)

WIDTH_TEXT = "factor on the number of channels"

DROPOUT_TEXT = "share of units dropped before the last layer, in training only"

SMALL_STEM_UNDER = 64
"""Images with a smaller side keep too few pixels after the standard networks' 32-fold reduction."""


class ImageParams(Params):
    """Options of every family that takes images."""

    resolution: int | None = Field(
        None,
        ge=4,
        le=1024,
        description="shorter side, in pixels, to which the model resizes its input; default: "
        "no resizing",
    )

    def side(self, shape: ImageShape) -> int | None:
        """Returns the shorter side in pixels after resizing; None if images are not resized."""
        return self.resolution


class StemParams(ImageParams):
    """Options of the families with a variant of their first layers for small images."""

    stem: Stem = Field("auto", description=STEM_TEXT)

    def small(self, shape: ImageShape) -> bool:
        """Returns whether the network for images of this shape has the small stem."""
        return self.stem == "small" or (self.stem == "auto" and min(shape[1:]) < SMALL_STEM_UNDER)


def resized_shape(params: Params, shape: ImageShape) -> ImageShape:
    """Returns (C, H, W) after resizing: the shorter side from `params`, the ratio kept."""
    side = params.side(shape) if isinstance(params, ImageParams) else None
    if side is None:
        return shape
    channels, height, width = shape
    scale = side / min(height, width)
    return channels, max(1, round(height * scale)), max(1, round(width * scale))
