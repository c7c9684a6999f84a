"""Reads images from files during training, for data that does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from paretune.search.data.params import ImageDataParams
from paretune.search.errors import UserError


def decode_image(file: Path, size: tuple[int, int] | None) -> np.ndarray:
    """Returns an image file as uint8 [3, H, W].

    Args:
        file: Image file.
        size: (H, W) to resize to; None keeps the size of the file.

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


class ImageFiles(TorchDataset[torch.Tensor]):
    """Image files as uint8 [3, H, W] tensors.

    Args:
        files: One file per example.
        size: (H, W) to resize every image to; None if all images have one size.
    """

    def __init__(self, files: Sequence[Path], size: tuple[int, int] | None) -> None:
        self._files = files
        self._size = size

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(decode_image(self._files[row], self._size).copy())


class ImageStream:
    """Batches of a part, read from its files by workers that are kept between epochs.

    Starting processes again takes longer than a small epoch. Workers end with this object, or with
    this process, however it ends.

    Args:
        images: Images of the part.
        params: Number of workers, how far they read ahead, and whether into page-locked memory.
    """

    def __init__(self, images: ImageFiles, params: ImageDataParams) -> None:
        self._images = images
        self._params = params
        self._order = RowOrder()
        self._kept: DataLoader[torch.Tensor] | None = None
        self._busy = False

    def batches(self, order: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
        """Yields batches uint8 [B, 3, H, W] in this order.

        Raises:
            UserError: A file cannot be read as an image.
        """
        if self._busy or not self._params.workers:  # a pass within a pass has its own workers
            single = RowOrder(order.tolist())
            yield from _without_traceback(self._loader(single, batch_size, keep=False))
            return
        self._busy = True
        try:
            if self._kept is None or self._kept.batch_size != batch_size:
                self._kept = self._loader(self._order, batch_size, keep=True)
            self._order.rows = order.tolist()
            yield from _without_traceback(self._kept)
        finally:
            self._busy = False

    def _loader(self, order: RowOrder, batch_size: int, keep: bool) -> DataLoader[torch.Tensor]:
        params = self._params
        return DataLoader(
            self._images,
            batch_size=batch_size,
            sampler=order,
            num_workers=params.workers,
            pin_memory=params.pin_memory and torch.cuda.is_available(),
            prefetch_factor=params.prefetch if params.workers else None,
            persistent_workers=keep,
            # Without a generator, each pass would draw from the global one of torch.
            generator=torch.Generator().manual_seed(0),
        )


class RowOrder(Sampler[int]):
    """The rows of the next pass; they may change between passes."""

    def __init__(self, rows: Sequence[int] = ()) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _without_traceback(batches: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yields the batches; a worker's UserError is raised without the worker's traceback."""
    try:
        yield from batches
    except UserError as error:
        _, _, message = str(error).strip().rpartition(f"{UserError.__name__}: ")
        raise UserError(message) from None
