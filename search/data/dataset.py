"""The base class of image and text data: labelled examples in three parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch

from paretune.inputs import Shape, sizes
from paretune.search.data.overlaps import overlap_notes
from paretune.search.data.raw_data import RawData
from paretune.search.data.split import Split
from paretune.search.tasks.classification import classification
from paretune.task import Task

PARTS = ("train", "validation", "test")


class Dataset(ABC):
    """Labelled examples in three parts, for training, calibration and measuring.

    Args:
        raw: Data as its source gives it.
        split: Its three parts.
        task: What the outputs of a network mean; None for classification without options.
    """

    def __init__(self, raw: RawData, split: Split, task: Task | None = None) -> None:
        self._raw = raw
        self._split = split
        self._task = task
        self._parts = split.parts
        self._labels = {name: torch.from_numpy(part.labels) for name, part in self._parts.items()}

    @cached_property
    def task(self) -> Task:
        """What the outputs of a network mean."""
        if self._task is not None:
            return self._task
        return classification(self.classes, self.class_names)

    @property
    def loader_batch(self) -> int | None:
        """None: the caller decides the batch size."""
        return None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._raw.classes

    @property
    def class_names(self) -> list[str]:
        """Name of each class; its number if the source has no names."""
        return list(self._raw.class_names) or [str(i) for i in range(self.classes)]

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """(C, H, W) of an image, or (length, vocabulary) of a text."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of examples, labels and split; it changes with the content."""

    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no test part."""
        return len(self._labels[part])

    def counts(self, part: str) -> list[int]:
        """Returns the number of examples of each class in a part."""
        counted: list[int] = torch.bincount(self._labels[part], minlength=self.classes).tolist()
        return counted

    def info(self) -> dict[str, Any]:
        """Returns facts for reports.

        `seen`, `no_test` and `notes` are there if they apply: whether the split is one for weights
        that may have seen the training part, why there is no test part, and what else to know.
        """
        split, notes = self._split, self.notes
        return {
            "source": self._raw.name,
            "sizes": {part: self.size(part) for part in PARTS},
            "shape": sizes(self.shape),
            "classes": self.classes,
            **({"seen": True} if split.seen else {}),
            **({"no_test": split.no_test} if split.no_test else {}),
            **({"notes": list(notes)} if notes else {}),
        }

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was skipped, the origin of parts, and examples that parts share."""
        return (*self._raw.notes, *self._split.notes, *overlap_notes(self._parts))

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """Returns how an example becomes the model's input, as JSON for an export's manifest."""

    @abstractmethod
    def input_json(self) -> dict[str, Any]:
        """Returns dtype and shape of the model's input, as JSON for an export's manifest."""

    def assets(self) -> dict[str, str]:
        """Returns further files that an exported model needs: name -> text."""
        return {}

    def black(self) -> tuple[float, ...]:
        """Returns the normalized value of black for each channel; empty for text."""
        return ()

    def white(self) -> tuple[float, ...]:
        """Returns the normalized value of white for each channel; empty for text."""
        return ()

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        """Returns the permutation int64 [N] that `batches` with this seed follows."""
        count = self.size(part)
        if seed is None:
            return torch.arange(count)
        return torch.randperm(count, generator=torch.Generator().manual_seed(seed))

    @abstractmethod
    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields one pass as (inputs, labels int64 [B]); a seed shuffles it."""

    @abstractmethod
    def examples(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields one ordered pass as (8-bit images [B, C, H, W] or texts, labels int64 [B])."""

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields one ordered pass as NumPy arrays, for runtimes."""
        for inputs, labels in self.batches(part, batch_size):
            yield inputs.numpy(), labels.numpy()

    @abstractmethod
    def calibration(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields `count` training inputs in batches, the same ones each time."""
