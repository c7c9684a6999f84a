"""The base class of all data: examples with targets in three parts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

from paretune.inputs import Shape, sizes
from paretune.nests import Nest, mapped
from paretune.search.tasks.target_facts import TargetFacts
from paretune.task import Task

PARTS = ("train", "validation", "test")


class Dataset(ABC):
    """Examples with targets in three parts, for training, calibration and measuring.

    Args:
        source: Name of the source, for reports.
        facts: What the targets are; None if only the user's own task knows them.
        task: What the outputs of a network mean.
    """

    def __init__(self, source: str, facts: TargetFacts | None, task: Task) -> None:
        self.source = source
        self.facts = facts
        self.task = task

    @property
    def loader_batch(self) -> int | None:
        """Batch size that the user's own loader fixes; None: the caller decides it."""
        return None

    @property
    def classes(self) -> int:
        """Number of classes, of data whose targets are classes."""
        assert self.facts and self.facts.kind == "class", "other tasks ask task.outputs"
        return self.facts.size

    @property
    def class_names(self) -> list[str]:
        """Name of each class, label or value; its number if the source has no names."""
        if self.facts is None or self.facts.kind == "next":
            return []
        return list(self.facts.names) or [str(i) for i in range(self.facts.size)]

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """What a network takes, without the batch axis."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Digest of examples, targets and split; it changes with the content."""

    @abstractmethod
    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no test part."""

    def steps(self, part: str, batch_size: int) -> int:
        """Returns the number of batches in a pass over a part."""
        return math.ceil(self.size(part) / batch_size)

    def counts(self, part: str) -> list[int]:
        """Returns how often a part has each class or label; empty if this has no meaning.

        Classes of examples, boxes and pixels are counted, and examples with each label.
        """
        return []

    def info(self) -> dict[str, Any]:
        """Returns facts for reports; `notes` are there if there is something to know."""
        return {
            "source": self.source,
            "sizes": {part: self.size(part) for part in PARTS},
            "shape": sizes(self.shape),
            **self._targets_info(),
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what is special about the data."""
        return ()

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
        """Returns the value of black for each channel; empty for what is no image."""
        return ()

    def white(self) -> tuple[float, ...]:
        """Returns the value of white for each channel; empty for what is no image of pixels."""
        return ()

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        """Returns the permutation int64 [N] that `batches` with this seed follows.

        None if the user's own loader decides it, or if examples change from pass to pass. Then
        nothing may be kept for a row.
        """
        return row_order(self.size(part), seed)

    @abstractmethod
    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Any, Any]]:
        """Yields one pass as (inputs, targets), tensors or nests of them; a seed shuffles it."""

    @abstractmethod
    def examples(self, part: str, batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Yields one ordered pass as (inputs before `preprocessing`, targets)."""

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Yields one ordered pass as NumPy arrays or nests of them, for runtimes."""
        for inputs, targets in self.batches(part, batch_size):
            yield as_arrays(inputs), as_arrays(targets)

    @abstractmethod
    def calibration(self, count: int, batch_size: int) -> Iterator[Any]:
        """Yields `count` training inputs in batches, the same ones each time."""

    def _targets_info(self) -> dict[str, Any]:
        if self.facts is None:
            return {}
        if self.facts.kind == "class":
            return {"classes": self.facts.size}
        return {"targets": {"kind": self.facts.kind, "size": self.facts.size}}


def row_order(count: int, seed: int | None) -> torch.Tensor:
    """Returns the order int64 [count] of a pass; None keeps that of the data."""
    if seed is None:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def as_arrays(nest: Nest) -> Nest:
    """Returns a nest of tensors as one of NumPy arrays; other leaves stay as they are."""
    return mapped(nest, lambda x: x.cpu().numpy() if isinstance(x, torch.Tensor) else x)
