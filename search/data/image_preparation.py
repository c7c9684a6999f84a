"""Turns a decoded image into the pixels of a model's input: resize and center crop.

The semantics are those of torchvision.transforms (v1) on PIL images, to the pixel. Only Pillow and
NumPy are needed, so that an exported model can be used with the same few lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

Color = Literal["RGB", "L", "RGBA"]
Interpolation = Literal["bilinear", "bicubic", "nearest", "lanczos"]

COLORS: dict[int, Color] = {1: "L", 3: "RGB", 4: "RGBA"}
"""Number of channels -> Pillow's mode."""


@dataclass(frozen=True)
class Preparation:
    """How an image becomes pixels: decode, upright, convert, resize, crop.

    Attributes:
        color: Pillow's mode of the model's input.
        exif: Whether an image is turned upright by its EXIF tag.
        resize: Length of the shorter side, the aspect ratio is kept; or (H, W); or None.
        crop: (H, W) of a center crop; black is added where the image is smaller.
        interpolation: Pillow's filter of the resize.
    """

    color: Color = "RGB"
    exif: bool = True
    resize: int | tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    interpolation: Interpolation = "bilinear"

    @property
    def channels(self) -> int:
        """Number of channels of the model's input."""
        return len(self.color)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Returns (H, W) of an image after the resize and before the crop."""
        if self.resize is None:
            return height, width
        if not isinstance(self.resize, int):
            return self.resize
        if height <= width:
            return self.resize, int(self.resize * width / height)
        return int(self.resize * height / width), self.resize

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Returns (H, W) of the prepared image of an image with this height and width."""
        return self.crop or self.resized(height, width)

    def keeps(self, height: int, width: int) -> bool:
        """Returns whether images with this height and width stay as they are."""
        return self.resized(height, width) == self.size(height, width) == (height, width)

    def apply(self, image: Image.Image) -> Image.Image:
        """Returns an image of mode `color`, resized and cropped."""
        height, width = self.resized(image.height, image.width)
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return image if self.crop is None else center_crop(image, *self.crop)

    def apply_to_array(self, pixels: np.ndarray) -> np.ndarray:
        """Returns uint8 [C, H, W] resized and cropped; as an image, with four channels as RGBA."""
        if self.keeps(*pixels.shape[1:]):
            return pixels
        last = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        return channels_first(self.apply(Image.fromarray(last)))

    def to_json(self) -> dict[str, Any]:
        """Returns the keys of a manifest's preprocessing."""
        return {
            "color": self.color,
            "exif": self.exif,
            "resize": list(self.resize) if isinstance(self.resize, tuple) else self.resize,
            "crop": None if self.crop is None else list(self.crop),
            "interpolation": self.interpolation,
        }

    @classmethod
    def from_json(cls, preprocessing: Mapping[str, Any]) -> Preparation:
        """Returns the preparation that a manifest records.

        Manifests of older versions lack the keys: images were not turned upright, and resized to
        the size of the input.
        """
        channels, height, width = preprocessing["shape"]
        if "resize" not in preprocessing:
            return cls(COLORS[channels], False, (height, width))
        resize, crop = preprocessing["resize"], preprocessing["crop"]
        return cls(
            preprocessing["color"],
            preprocessing["exif"],
            resize if resize is None or isinstance(resize, int) else (resize[0], resize[1]),
            None if crop is None else (crop[0], crop[1]),
            preprocessing["interpolation"],
        )

    def describe(self) -> str:
        """Returns the preparation as text, for digests."""
        return repr(sorted(asdict(self).items()))


def center_crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """Returns the center of an image, as torchvision.transforms.CenterCrop.

    A smaller image is first padded with black, half of it on each side.
    """
    more_wide, more_high = max(0, width - image.width), max(0, height - image.height)
    if more_wide or more_high:
        padded = Image.new(image.mode, (image.width + more_wide, image.height + more_high))
        padded.paste(image, (more_wide // 2, more_high // 2))
        image = padded
    # Like Python's round: half to even.
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def channels_first(image: Image.Image) -> np.ndarray:
    """Returns an 8-bit image as uint8 [C, H, W]."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
