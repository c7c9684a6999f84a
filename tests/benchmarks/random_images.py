"""Random images in the shape of CIFAR-10: their content does not change the cost of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

from paretune.search.data.image_dataset import ImageDataset, make_image_dataset
from paretune.search.data.npz import raw_from_arrays
from paretune.search.data.params import ImageDataParams

CLASSES = 10


def random_arrays(train: int, others: int = 100) -> dict[str, np.ndarray]:
    """Returns x_train, y_train, x_val, ...: images, uint8 [N, 32, 32, 3], and labels [N]."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", train), ("val", others), ("test", others)):
        arrays[f"x_{part}"] = generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % CLASSES
    return arrays


def as_dataset(arrays: dict[str, np.ndarray], **options: Any) -> ImageDataset:
    """Returns the arrays as a data set of Paretune, with options of images such as `mean`."""
    return make_image_dataset(raw_from_arrays("random", arrays), ImageDataParams(**options), 0)
