"""Images read from files while training, for data that does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from search.data.params import DataParams
from search.errors import UserError


def decoded(file: Path, size: tuple[int, int] | None) -> np.ndarray:
    """An image file as uint8 [3, H, W], resized to `size` (H, W) when that is given.

    Raises:
        UserError: The file cannot be read as an image.
    """
    try:
        with Image.open(file) as image:
            rgb = image.convert("RGB")
            if size is not None and rgb.size != (size[1], size[0]):
                rgb = rgb.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.asarray(rgb).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as an image: {error}") from error


class FileImages(TorchDataset[torch.Tensor]):
    """Image files as uint8 [3, H, W] tensors.

    Args:
        files: One for each example.
        size: (H, W) of every image, or None when they are alike.
    """

    def __init__(self, files: Sequence[Path], size: tuple[int, int] | None) -> None:
        self._files = files
        self._size = size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(decoded(self._files[row], self._size).copy())


def loader(
    images: FileImages, order: torch.Tensor, batch_size: int, params: DataParams
) -> Iterable[torch.Tensor]:
    """Batches uint8 [B, 3, H, W] in this order."""
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=order.tolist(),
        num_workers=params.workers,
        pin_memory=params.pin_memory and torch.cuda.is_available(),
        prefetch_factor=params.prefetch if params.workers else None,
    )
