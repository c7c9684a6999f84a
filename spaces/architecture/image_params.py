"""What all families of networks for images have in common: resolution and stem."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paretune.spaces.inputs import ImageShape
from paretune.spaces.params import Params

Stem = Literal["auto", "small", "standard"]
"""How a network begins: made for photographs, or for images of 28 to 64 pixels."""

STEM_TEXT = "small: the first two halvings are left out; auto: under 64 pixels"

SMALL_STEM_UNDER = 64
"""Images with a smaller side lose too much to the standard networks' 32-fold reduction."""


class ImageParams(Params):
    """Options of every family that takes images."""

    resolution: int | None = Field(
        None, ge=4, le=1024, description="the model resizes its input to this shorter side, pixels"
    )

    def side(self, shape: ImageShape) -> int | None:
        """Shorter side in pixels of what the network sees of such images; None: as they are."""
        return self.resolution


class StemParams(ImageParams):
    """Options of the families whose first layers may be fitted to small images."""

    stem: Stem = Field("auto", description=STEM_TEXT)

    def small(self, shape: ImageShape) -> bool:
        """Whether the network for images of this shape has the small stem."""
        return self.stem == "small" or (self.stem == "auto" and min(shape[1:]) < SMALL_STEM_UNDER)


def resized_shape(params: Params, shape: ImageShape) -> ImageShape:
    """(C, H, W) that the network sees: the shorter side as asked for, the sides' ratio kept."""
    side = params.side(shape) if isinstance(params, ImageParams) else None
    if side is None:
        return shape
    channels, height, width = shape
    scale = side / min(height, width)
    return channels, max(1, round(height * scale)), max(1, round(width * scale))
