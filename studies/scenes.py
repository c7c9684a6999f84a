"""Drawn street scenes with a class for each pixel, for segmentation.yaml."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("sky", "ground", "house", "tree")
UNLABELLED = 4  # pixels on the edges of things, which nobody labels exactly


def scenes(height: int = 48, width: int = 64) -> dict[str, np.ndarray]:
    """Returns images uint8 [N, 48, 64, 3] and masks uint8 [N, 48, 64] of each part."""
    numbers = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", 160), ("val", 60), ("test", 120)):
        images, masks = zip(*(scene(height, width, numbers) for _ in range(count)), strict=True)
        arrays[f"x_{part}"] = np.stack(images)
        arrays[f"y_{part}"] = np.stack(masks)
    return arrays


def scene(height: int, width: int, numbers: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns one image and its mask."""
    horizon = int(height * numbers.uniform(0.4, 0.65))
    image = Image.new("RGB", (width, height), color((150, 180, 215), numbers))
    mask = Image.new("L", (width, height), 0)
    ground = color((120, 125, 105), numbers)
    ImageDraw.Draw(image).rectangle([0, horizon, width, height], fill=ground)
    ImageDraw.Draw(mask).rectangle([0, horizon, width, height], fill=1)
    for kind in numbers.permutation([2, 2, 3, 3, 3])[: numbers.integers(2, 6)]:
        size = numbers.uniform(8, 18, 2)
        x, foot = numbers.uniform(0, width), horizon + numbers.uniform(0, height - horizon)
        box = [x - size[0] / 2, foot - size[1], x + size[0] / 2, foot]
        shade = color(((175, 130, 110), (85, 120, 75))[kind - 2], numbers)
        for target, fill in ((image, shade), (mask, int(kind))):
            draw = ImageDraw.Draw(target)
            (draw.rectangle if kind == 2 else draw.ellipse)(box, fill=fill)
    classes = np.asarray(mask).copy()
    rows, columns = (np.diff(classes, axis=axis) != 0 for axis in (0, 1))
    classes[1:][rows] = UNLABELLED
    classes[:, 1:][columns] = UNLABELLED
    noise = numbers.normal(0, 18, (height, width, 3))
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)))
    return (blurred + noise).clip(0, 255).astype(np.uint8), classes


def color(base: tuple[int, int, int], numbers: np.random.Generator) -> tuple[int, ...]:
    """Returns a color near another one."""
    return tuple(int(c) for c in np.clip(np.array(base) + numbers.normal(0, 22, 3), 0, 255))
