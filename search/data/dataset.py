"""What image and text data have in common: labelled examples in three parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from paretune.search.data.raw_data import RawData, RawPart
from paretune.spaces.inputs import Shape

PARTS = ("train", "validation", "test")


class Dataset(ABC):
    """Labelled examples in three parts, as training, calibration and measuring ask for them.

    Args:
        raw: Where they come from.
        parts: "train", "validation" and "test".
    """

    def __init__(self, raw: RawData, parts: Mapping[str, RawPart]) -> None:
        self._raw = raw
        self._parts = parts
        self._labels = {name: torch.from_numpy(part.labels) for name, part in parts.items()}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._raw.classes

    @property
    def class_names(self) -> list[str]:
        """A name for each class; its number where it has none."""
        return list(self._raw.class_names) or [str(i) for i in range(self.classes)]

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """(C, H, W) of an image, or (length, vocabulary) of a text."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of examples, labels and split: other content gives another one."""

    def size(self, part: str) -> int:
        """Number of examples in a part."""
        return len(self._labels[part])

    def info(self) -> dict[str, Any]:
        """Facts for reports."""
        return {
            "source": self._raw.name,
            "sizes": {part: self.size(part) for part in PARTS},
            "shape": list(self.shape),
            "classes": self.classes,
        }

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """How an example becomes the model's input, as JSON for the export's manifest."""

    @abstractmethod
    def input_json(self) -> dict[str, Any]:
        """The model's input as the export's manifest gives it: dtype and shape."""

    def assets(self) -> dict[str, str]:
        """Files that an exported model needs beside it: name -> text."""
        return {}

    def border(self) -> tuple[float, ...]:
        """The normalized value of black for each channel; empty for text."""
        return ()

    def white(self) -> tuple[float, ...]:
        """The normalized value of white for each channel; empty for text."""
        return ()

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        """The permutation int64 [N] that `batches` with this seed follows."""
        count = self.size(part)
        if seed is None:
            return torch.arange(count)
        return torch.randperm(count, generator=torch.Generator().manual_seed(seed))

    @abstractmethod
    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One pass as (inputs, labels int64 [B]); shuffled when a seed is given."""

    @abstractmethod
    def examples(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """One pass in order as (8-bit images [B, C, H, W] or texts, labels int64 [B])."""

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass in order as NumPy arrays, for runtimes."""
        for inputs, labels in self.batches(part, batch_size):
            yield inputs.numpy(), labels.numpy()

    @abstractmethod
    def calibration(self, images: int, batch_size: int) -> Iterator[np.ndarray]:
        """So many training inputs, the same ones each time."""
