"""One epoch of augmented batches: Paretune's tensors in memory and a DataLoader over PIL images.

Both sides shift random 32x32 colour images by up to 4 pixels, mirror and normalize them. Then the
same is timed with RandAugment added (two of its fourteen operations on each image). The peer is the
code of a CIFAR-10 tutorial: an array in memory, and each image passes through PIL and torchvision's
transforms, in this process and in two workers that stay alive between epochs. Sides run in turn, on
one thread each unless --threads asks for more: the threads of one operation wait for each other, so
on a busy machine they measure the other work more than this.

Target: below 1 against both.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from random_images import as_dataset, random_arrays
from sides import in_turn, median_ratio, range_of_ratios
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from paretune.search.data.image_dataset import ImageDataset
from paretune.spaces.training.augmentation import augmented
from paretune.spaces.training.recipe import Augment, RandAugment

BATCH = 128
CROP = 4


PLAIN = Augment(flip=True, crop=CROP)
RICH = Augment(flip=True, crop=CROP, randaugment=RandAugment(operations=2, magnitude=9))


def paretune_epoch(data: ImageDataset, seed: int, augment: Augment) -> int:
    """Makes one pass as the training loop does; returns the number of images."""
    generator = torch.Generator().manual_seed(seed)
    seen = 0
    for images, labels in data.batches("train", BATCH, seed=seed):
        images = augmented(images, augment, data.black(), data.white(), generator)
        seen += len(labels) if images.is_floating_point() else 0
    return seen


class PilImages(TorchDataset[Any]):
    """Images in memory that pass through PIL and transforms, as in torchvision's CIFAR10."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        self._images, self._labels, self._transform = images, labels, transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._images[row])), int(self._labels[row])


def make_loader(
    arrays: dict[str, np.ndarray], data: ImageDataset, workers: int, rich: bool
) -> DataLoader[Any]:
    """Returns the peer, with the same augmentation and normalization."""
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=CROP),
            transforms.RandomHorizontalFlip(),
            *([transforms.RandAugment(num_ops=2, magnitude=9)] if rich else []),
            transforms.ToTensor(),
            transforms.Normalize(data.mean, data.std),
        ]
    )
    return DataLoader(
        PilImages(arrays["x_train"], arrays["y_train"], transform),
        batch_size=BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def loader_epoch(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> int:
    """Makes one pass; returns the number of images."""
    return sum(len(labels) for _, labels in batches)


def compare(images: int, repeats: int, rich: bool) -> None:
    """Times whole epochs in turn, and prints the ratios."""
    arrays = random_arrays(images)
    data = as_dataset(arrays)
    loaders = {workers: make_loader(arrays, data, workers, rich) for workers in (0, 2)}
    sides = [
        lambda: paretune_epoch(data, 1, RICH if rich else PLAIN),
        lambda: loader_epoch(loaders[0]),
        lambda: loader_epoch(loaders[2]),
    ]
    assert [side() for side in sides] == [images] * 3  # warm-up, which starts the workers
    paretune, *peers = in_turn(sides, repeats)
    more = ", RandAugment" if rich else ""
    print(f"data, one epoch of {images} images 32x32x3, flip, crop{more}, batches of {BATCH}")
    print(f"  Paretune, in memory              {statistics.median(paretune):8.3f} s")
    for workers, seconds in zip(loaders, peers, strict=True):
        print(f"  DataLoader over PIL, {workers} workers   {statistics.median(seconds):8.3f} s")
        ratio, spread = median_ratio(paretune, seconds), range_of_ratios(paretune, seconds)
        print(f"  RATIO Paretune / DataLoader, {workers} workers: {ratio:.3f} ({spread})")


def main() -> None:
    """Compares without and with RandAugment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for rich in (False, True):
        compare(options.images, options.repeats, rich)


if __name__ == "__main__":
    main()
