"""Images in train, validation and test parts, normalized, in memory or streamed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from paretune.search.data.dataset import PARTS, Dataset
from paretune.search.data.image_stream import ImageFiles, ImageStream
from paretune.search.data.params import ImageDataParams, SplitParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.split import split_by_class
from paretune.search.errors import UserError

TEST_SHARE = 0.2
"""Of the training part, split off where a source has no test part."""


def with_all_parts(raw: RawData, params: SplitParams, seed: int) -> dict[str, RawPart]:
    """The source's parts, and those split off the training part that it lacks.

    Raises:
        UserError: A class has too few examples to split.
    """
    parts = dict(raw.parts)
    for part, share in (("test", TEST_SHARE), ("validation", params.validation)):
        if part in parts:
            continue
        try:
            stay, off = split_by_class(parts["train"].labels, share, seed)
        except ValueError as error:
            raise UserError(f"{raw.name}: no {part} part is given, and {error}") from error
        parts[part], parts["train"] = parts["train"].take(off), parts["train"].take(stay)
    return parts


def make_image_dataset(raw: RawData, params: ImageDataParams, seed: int) -> ImageDataset:
    """Splits off what is missing and measures mean and deviation on what is left for training.

    Raises:
        UserError: A class has too few examples to split.
    """
    return ImageDataset(raw, with_all_parts(raw, params, seed), params)


class ImageDataset(Dataset):
    """Labelled images in three parts.

    Args:
        raw: Where they come from.
        parts: "train", "validation" and "test".
        params: How they are read.
    """

    def __init__(self, raw: RawData, parts: Mapping[str, RawPart], params: ImageDataParams) -> None:
        super().__init__(raw, parts)
        self._images = {
            name: torch.from_numpy(part.images)
            for name, part in parts.items()
            if part.images is not None
        }
        self._files = {
            name: ImageFiles(part.files, raw.size)
            for name, part in parts.items()
            if part.images is None
        }
        self._streams = {name: ImageStream(files, params) for name, files in self._files.items()}
        self._moved: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]] = {}
        first = (self._files["train"] if "train" in self._files else self._images["train"])[0]
        channels, height, width = first.shape
        self._shape = (channels, height, width)
        self.mean, self.std = self._statistics()
        self._fingerprint = self._digest()

    # -- what it is ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self._shape

    @property
    def fingerprint(self) -> str:
        """Digest of images, labels and split: other content gives another one."""
        return self._fingerprint

    def info(self) -> dict[str, Any]:
        """Facts for reports."""
        return {**super().info(), "streamed": bool(self._files)}

    def preprocessing(self) -> dict[str, Any]:
        """How an image becomes the model's input, as JSON for the export's manifest."""
        return {
            "input": "float32 [B, C, H, W]",
            "shape": list(self.shape),
            "scale": 1 / 255,
            "mean": list(self.mean),
            "std": list(self.std),
            "formula": "(pixel / 255 - mean) / std, for each channel of an 8-bit image",
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """The model's input as the export's manifest gives it."""
        return {"dtype": "float32", "shape": ["batch", *self.shape]}

    def border(self) -> tuple[float, ...]:
        """The normalized value of black for each channel."""
        return tuple(-m / s for m, s in zip(self.mean, self.std, strict=True))

    def white(self) -> tuple[float, ...]:
        """The normalized value of white for each channel."""
        return tuple((1 - m) / s for m, s in zip(self.mean, self.std, strict=True))

    # -- examples --------------------------------------------------------------------------------

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One pass as (images float32 [B, C, H, W] normalized, labels int64 [B])."""
        order = self.order(part, seed)
        scale, shift = self._affine(device)
        if part in self._files:
            labels = self._labels[part]
            rows = iter(order.split(batch_size))  # type: ignore[no-untyped-call]
            for images in self._streams[part].batches(order, batch_size):
                batch = images.to(device, non_blocking=True)
                wanted = labels[next(rows)].to(device)
                yield torch.addcmul(shift, batch.float(), scale), wanted
            return
        held, labels = self._held(part, device)
        for rows in order.to(device).split(batch_size):  # type: ignore[no-untyped-call]
            # One fused multiply-add instead of a division, a subtraction and a division.
            yield torch.addcmul(shift, held[rows].float(), scale), labels[rows]

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass in order as (uint8 [B, C, H, W], labels int64 [B])."""
        labels = self._labels[part].split(batch_size)  # type: ignore[no-untyped-call]
        for images, wanted in zip(self._rows(part, batch_size), labels, strict=True):
            yield images.numpy(), wanted.numpy()

    def calibration(self, images: int, batch_size: int) -> Iterator[np.ndarray]:
        """Normalized training images float32 [B, C, H, W], the same ones each time."""
        rows = self.order("train", 0)[:images]
        scale, shift = self._affine("cpu")
        for some in rows.split(batch_size):  # type: ignore[no-untyped-call]
            if "train" in self._files:
                picked = torch.stack([self._files["train"][int(row)] for row in some])
            else:
                picked = self._images["train"][some]
            yield torch.addcmul(shift, picked.float(), scale).numpy()

    def _held(self, part: str, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A part in the device's memory; moved there once."""
        if device == "cpu":
            return self._images[part], self._labels[part]
        if (part, device) not in self._moved:
            self._moved[part, device] = (
                self._images[part].to(device),
                self._labels[part].to(device),
            )
        return self._moved[part, device]

    def _affine(self, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and shift [1, C, 1, 1] that normalize bytes."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        scale = (1 / (255 * std))[None, :, None, None].to(device)
        shift = (-mean / std)[None, :, None, None].to(device)
        return scale, shift

    def _rows(self, part: str, batch_size: int) -> Iterator[torch.Tensor]:
        """Raw bytes uint8 [B, C, H, W] in order."""
        if part in self._files:
            yield from self._streams[part].batches(torch.arange(self.size(part)), batch_size)
        else:
            yield from self._images[part].split(batch_size)  # type: ignore[no-untyped-call]

    def _statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel of the training part, in [0, 1]."""
        count = 0
        total = torch.zeros(self._shape[0], dtype=torch.float64)
        squares = torch.zeros_like(total)
        for images in self._rows("train", 1024):
            pixels = images.float().div_(255).transpose(0, 1).flatten(1)
            total += pixels.sum(1, dtype=torch.float64)
            squares += pixels.square().sum(1, dtype=torch.float64)
            count += pixels.shape[1]
        mean = total / count
        deviation = (squares / count - mean**2).clamp(min=0).sqrt()
        deviation[deviation < 1e-6] = 1.0  # a constant channel stays constant
        # Rounded, so that a sum in another order gives no other stage keys.
        return (
            tuple(round(float(m), 6) for m in mean),
            tuple(round(float(d), 6) for d in deviation),
        )

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in PARTS:
            part = self._parts[name]
            digest.update(name.encode())
            digest.update(part.labels.tobytes())
            if part.images is not None:
                digest.update(str(part.images.shape).encode())
                digest.update(np.ascontiguousarray(part.images).data)
            for file in part.files:
                stat = file.stat()
                digest.update(f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}".encode())
        digest.update(str(self._raw.size).encode())
        return digest.hexdigest()
