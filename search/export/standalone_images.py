"""Prepares images for an exported model, with NumPy and Pillow alone.

`load_script` copies the part below the marker into load.py, with the values of one model. So that
part imports nothing of Paretune. It repeats search/data/image_decoding.py and image_preparation.py;
a test compares both on images of all kinds.
"""

from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (3, 32, 32)
MEAN, STD = (np.array(v, dtype=np.float32)[:, None, None] for v in ([0.5] * 3, [0.25] * 3))
COLOR, EXIF, FILTER = "RGB", True, "bilinear"
RESIZE: int | tuple[int, int] | None = None
CROP: tuple[int, int] | None = None

# -- copied from here ------------------------------------------------------------------------------


def prepare(images: Any) -> Any:
    """Returns the model's inputs float32 [B, C, H, W].

    Takes paths of image files, Pillow images, or an array uint8 [B, C, H, W] or [B, H, W, C] of the
    size in SHAPE. A single image is a batch of one.
    """
    if isinstance(images, (str, Path)) or hasattr(images, "convert"):
        images = [images]
    if isinstance(images, (list, tuple)) and images and not isinstance(images[0], np.ndarray):
        images = np.stack([read(image) for image in images])
    images = channels_first(np.asarray(images))
    return ((images / 255 - MEAN) / STD).astype(np.float32)


def channels_first(images: Any) -> Any:
    """Returns images uint8 [B, C, H, W]; the channels may be last, or absent if there is one."""
    channels, height, width = SHAPE
    layouts: list[Any] = [(SHAPE, None), ((height, width, channels), (0, 3, 1, 2))]
    if channels == 1:
        layouts.append(((height, width), (0, 1, 2)))
    for shape, order in layouts:
        if images.dtype == np.uint8 and images.shape in (shape, (images.shape[0], *shape)):
            batch = images.reshape(-1, *shape)
            batch = batch if order is None else batch.transpose(order)
            return batch.reshape(-1, *SHAPE)
    raise ValueError(
        f"give paths of image files, or an array uint8 {['B', *SHAPE]} or "
        f"{['B', height, width, channels]} with values from 0 to 255; this is "
        f"{images.dtype} {list(images.shape)}"
    )


def read(image: Any) -> Any:
    """Returns an image file or a Pillow image as uint8 [C, H, W]: upright, resized, cropped."""
    from PIL import Image

    if hasattr(image, "convert"):
        return pixels_of(image)
    # Not by its path: Pillow 13 then maps TIFFs that lie on their side in the wrong width.
    with open(image, "rb") as stream, Image.open(stream) as opened:
        return pixels_of(opened)


def pixels_of(image: Any) -> Any:
    """Returns a Pillow image as uint8 [C, H, W]: upright, resized, cropped."""
    from PIL import Image, ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image) if EXIF and orientation(image) != 1 else image
    if upright.mode.startswith(("I", "F")):
        upright = Image.fromarray(to_8_bit(np.asarray(upright), image))
    pixels = np.asarray(crop(resize(upright.convert(COLOR))))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def orientation(image: Any) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 is upright."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def to_8_bit(values: np.ndarray, image: Any) -> Any:
    """Returns grey values of 16 bits, or floats in [0, 1], as uint8."""
    if image.mode == "F" and np.isfinite(values).all() and 0 <= values.min() <= values.max() <= 1:
        return np.rint(values * 255).astype(np.uint8)
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ValueError(
            f"an image of mode {image.mode} has no known range; save it as an 8-bit or 16-bit PNG"
        )
    top, inverted, tags = 2**16 - 1, False, getattr(image, "tag_v2", None)
    if image.format == "TIFF" and tags is not None:
        bits = tags.get(258, (16,))
        top = 2 ** int(bits[0] if isinstance(bits, tuple) else bits) - 1
        inverted = not tags.get(262, 1)
    grey = (values.astype(np.int64).clip(0, top) * 255 + top // 2) // top
    return (255 - grey if inverted else grey).astype(np.uint8)


def resize(image: Any) -> Any:
    """Returns an image resized as in training: a number is the length of the shorter side."""
    from PIL import Image

    if RESIZE is None:
        return image
    width, height = image.size
    if not isinstance(RESIZE, int):
        height, width = RESIZE
    elif height <= width:
        height, width = RESIZE, int(RESIZE * width / height)
    else:
        height, width = int(RESIZE * height / width), RESIZE
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling[FILTER.upper()])


def crop(image: Any) -> Any:
    """Returns the center of an image; a smaller one is first padded with black."""
    from PIL import Image

    if CROP is None:
        return image
    height, width = CROP
    wide, high = max(0, width - image.width), max(0, height - image.height)
    if wide or high:
        padded = Image.new(image.mode, (image.width + wide, image.height + high))
        padded.paste(image, (wide // 2, high // 2))
        image = padded
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))
