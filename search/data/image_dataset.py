"""Images in train, validation and test parts, normalized, in memory or streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from paretune.inputs import moved
from paretune.search.data.dataset import PARTS, as_arrays, row_order
from paretune.search.data.held_dataset import HeldDataset
from paretune.search.data.image_preparation import COLORS, Preparation
from paretune.search.data.image_stream import ImageArrays, ImageFiles, ImageRows, ImageStream
from paretune.search.data.memory import keeps_in_memory
from paretune.search.data.normalization import Normalization, statistics
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.split import Split, complete_parts
from paretune.search.data.target_rows import TargetRows
from paretune.search.errors import UserError
from paretune.task import Task


def make_image_dataset(
    raw: RawData,
    params: ImageDataParams,
    seed: int,
    seen: bool = False,
    task: Task | None = None,
) -> ImageDataset:
    """Splits off missing parts and normalizes by the remaining training part.

    Args:
        raw: Data as its source gives it.
        params: Options of the data set.
        seed: Seed of the split.
        seen: Whether the study starts from weights that may have seen the training part.
        task: What the outputs of a network mean; None for classification without options.

    Raises:
        UserError: A class has too few examples to split.
    """
    return ImageDataset(raw, complete_parts(raw, params, seed, seen), params, task)


class ImageDataset(HeldDataset):
    """Images with targets in three parts.

    Args:
        raw: Data as its source gives it.
        split: Its three parts.
        params: How images are read.
        task: What the outputs of a network mean; None for classification without options.
    """

    def __init__(
        self, raw: RawData, split: Split, params: ImageDataParams, task: Task | None = None
    ) -> None:
        super().__init__(raw, split, task)
        self._preparation = raw.preparation or _of_arrays(split.parts["train"], params)
        self._images: dict[str, torch.Tensor] = {}
        self._rows: dict[str, ImageRows] = {}
        self._fill(params.memory)
        self._streams = {name: ImageStream(rows, params) for name, rows in self._rows.items()}
        self._moved: dict[tuple[str, str], tuple[torch.Tensor, TargetRows]] = {}
        first = (self._rows["train"] if "train" in self._rows else self._images["train"])[0]
        channels, height, width = first.shape
        self._shape = (channels, height, width)
        self._normalization = self._normalization_of(params)
        self._fingerprint = self._digest()

    # -- properties ------------------------------------------------------------------------------

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel, of pixels from 0 to 1."""
        return self._normalization.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel, of pixels from 0 to 1."""
        return self._normalization.std

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self._shape

    @property
    def fingerprint(self) -> str:
        """Digest of images, targets and split; it changes with the content."""
        return self._fingerprint

    def info(self) -> dict[str, Any]:
        """Returns facts for reports."""
        return {**super().info(), "streamed": bool(self._rows)}

    def preprocessing(self) -> dict[str, Any]:
        """Returns how an image becomes the model's input, as JSON for an export's manifest."""
        return {
            "input": "float32 [B, C, H, W]",
            "shape": list(self.shape),
            "scale": 1 / 255,
            "mean": list(self.mean),
            "std": list(self.std),
            "formula": "(pixel / 255 - mean) / std, for each channel of an 8-bit image",
            **self._preparation.to_json(),
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """Returns dtype and shape of the model's input, as JSON for an export's manifest."""
        return {"dtype": "float32", "shape": ["batch", *self.shape]}

    def black(self) -> tuple[float, ...]:
        """Returns the normalized value of black for each channel."""
        return tuple(-m / s for m, s in zip(self.mean, self.std, strict=True))

    def white(self) -> tuple[float, ...]:
        """Returns the normalized value of white for each channel."""
        return tuple((1 - m) / s for m, s in zip(self.mean, self.std, strict=True))

    # -- examples --------------------------------------------------------------------------------

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, Any]]:
        """Yields one pass as (normalized images float32 [B, C, H, W], targets)."""
        if not self.size(part):
            return
        order = row_order(self.size(part), seed)
        normalize = self._normalization.on(device)
        if part in self._rows:
            targets = self._targets[part]
            rows = iter(order.split(batch_size))  # type: ignore[no-untyped-call]
            for images in self._streams[part].batches(order, batch_size):
                batch = images.to(device, non_blocking=True)
                batch_targets = moved(targets[next(rows)], device)
                yield normalize(batch), batch_targets
            return
        images, targets = self._on_device(part, device)
        for rows in order.to(device).split(batch_size):  # type: ignore[no-untyped-call]
            yield normalize(images[rows]), targets[rows]

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields one ordered pass as (images uint8 [B, C, H, W], targets)."""
        if not self.size(part):
            return
        start = 0
        for images in self._pixels(part, batch_size):
            targets = self._targets[part][start : start + len(images)]
            yield images.numpy(), as_arrays(targets)
            start += len(images)

    def calibration(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields normalized training images float32 [B, C, H, W], the same ones each time."""
        order = row_order(self.size("train"), 0)[:count]
        normalize = self._normalization.on("cpu")
        for rows in order.split(batch_size):  # type: ignore[no-untyped-call]
            if "train" in self._rows:
                images = torch.stack([self._rows["train"][int(row)] for row in rows])
            else:
                images = self._images["train"][rows]
            yield normalize(images).numpy()

    def _on_device(self, part: str, device: str) -> tuple[torch.Tensor, TargetRows]:
        """Returns a part in the memory of a device; it is moved there once."""
        if device == "cpu":
            return self._images[part], self._targets[part]
        if (part, device) not in self._moved:
            self._moved[part, device] = (
                self._images[part].to(device),
                self._targets[part].to(device),
            )
        return self._moved[part, device]

    def _pixels(self, part: str, batch_size: int) -> Iterator[torch.Tensor]:
        """Yields images uint8 [B, C, H, W] in order."""
        if part in self._rows:
            yield from self._streams[part].batches(torch.arange(self.size(part)), batch_size)
        else:
            yield from self._images[part].split(batch_size)  # type: ignore[no-untyped-call]

    def _fill(self, memory: str) -> None:
        """Keeps images in memory, prepared; or prepares them whenever they are read."""
        rows: dict[str, ImageRows] = {}
        for name, part in self._parts.items():
            if not len(part):
                self._images[name] = torch.empty(0)  # there is no test part
            elif part.images is None:
                self._rows[name] = ImageFiles(part.files, self._preparation)
            elif self._raw.prepared or self._preparation.keeps(*part.images.shape[2:]):
                self._images[name] = torch.from_numpy(part.images)
            else:
                rows[name] = ImageArrays(part.images, self._preparation)
        needed = sum(len(images) * images[0].numel() for images in rows.values() if len(images))
        if not keeps_in_memory(memory, needed):
            self._rows.update(rows)
            return
        for name, images in rows.items():
            self._images[name] = _stacked(images)

    def _normalization_of(self, params: ImageDataParams) -> Normalization:
        """Returns the user's normalization, else that of the training part.

        Raises:
            UserError: The user's values are not one for each channel.
        """
        try:
            values = params.normalization(self._shape[0])
        except ValueError as error:
            raise UserError(f"data: {error}") from error
        measured = values or statistics(self._pixels("train", 1024), self._shape[0])
        return Normalization(*measured, exact=values is not None)

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in PARTS:
            part = self._parts[name]
            digest.update(name.encode())
            self._add_targets(digest, name)
            if part.images is not None:
                digest.update(str(part.images.shape).encode())
                digest.update(np.ascontiguousarray(part.images).data)
            for file in part.files:
                stat = file.stat()
                text = f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}"
                digest.update(text.encode(errors="surrogateescape"))
                # Versions before 0.15 read other pixels from these files.
                digest.update(b":changed" if file in self._raw.changed else b"")
        digest.update(self._preparation_text().encode())
        if self._normalization.exact:
            digest.update(str((self.mean, self.std)).encode())
        return digest.hexdigest()

    def _preparation_text(self) -> str:
        """Returns the preparation as text; without new options, as versions before 0.15 had it."""
        preparation = self._preparation
        if self._raw.preparation is None and preparation.resize is preparation.crop is None:
            return "None"
        plain = isinstance(preparation.resize, tuple) and preparation == Preparation(
            resize=preparation.resize
        )
        files = self._raw.preparation is not None
        return str(preparation.resize) if files and plain else preparation.describe()


def _of_arrays(part: RawPart, params: ImageDataParams) -> Preparation:
    """Returns the preparation of images that come as arrays; they keep their channels."""
    assert part.images is not None
    return params.preparation(COLORS[part.images.shape[1]])


def _stacked(images: ImageRows) -> torch.Tensor:
    """Returns all images as one tensor uint8 [N, C, H, W]."""
    result = torch.empty((len(images), *images[0].shape), dtype=torch.uint8)
    for row in range(len(images)):
        result[row] = images[row]
    return result
