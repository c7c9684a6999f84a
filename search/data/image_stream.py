"""Prepares images during training, for data that does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from paretune.search.data.image_decoding import decode_image
from paretune.search.data.image_preparation import Preparation
from paretune.search.data.params import ImageDataParams
from paretune.search.errors import UserError


class ImageFiles(TorchDataset[torch.Tensor]):
    """Image files, prepared, as uint8 [C, H, W] tensors.

    Args:
        files: One file per example.
        preparation: How a file becomes pixels.
    """

    def __init__(self, files: Sequence[Path], preparation: Preparation) -> None:
        self._files = files
        self._preparation = preparation

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(decode_image(self._files[row], self._preparation).copy())


class ImageArrays(TorchDataset[torch.Tensor]):
    """Images of an array, prepared, as uint8 [C, H, W] tensors.

    Args:
        images: uint8 [N, C, H, W].
        preparation: How an image is resized and cropped.
    """

    def __init__(self, images: np.ndarray, preparation: Preparation) -> None:
        self._images = images
        self._preparation = preparation

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(self._preparation.apply_to_array(self._images[row]).copy())


ImageRows = ImageFiles | ImageArrays
"""Images that are prepared whenever they are read."""


class ImageStream:
    """Batches of a part, prepared by workers that are kept between epochs.

    Starting processes again takes longer than a small epoch. Workers end with this object, or with
    this process, however it ends.

    Args:
        images: Images of the part.
        params: Number of workers, how far they read ahead, and whether into page-locked memory.
    """

    def __init__(self, images: ImageRows, params: ImageDataParams) -> None:
        self._images = images
        self._params = params
        self._order = RowOrder()
        self._kept: DataLoader[torch.Tensor] | None = None
        self._busy = False

    def batches(self, order: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
        """Yields batches uint8 [B, C, H, W] in this order.

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
