"""Excerpt: a few examples of a data set, in memory, to train and to measure on for a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

MOST_BYTES = 512 * 2**20
"""Memory for the training examples of an excerpt."""

VALIDATION = 256
"""Validation examples of an excerpt."""


class Pool:
    """Training examples that are read once, in random order, and shared by excerpts.

    Attributes:
        inputs: Inputs [N, ...].
        labels: Labels int64 [N].
        seconds: Seconds that reading one example takes.
    """

    def __init__(self, data: Dataset, batch: int, batches: int) -> None:
        self.inputs, self.labels, self.seconds = _read(data, batch, batches)


class Excerpt:
    """The first examples of a pool as training part; the rest is that of the data set.

    Args:
        data: The data set.
        pool: Training examples.
        examples: Size of the training part.
        validation: Size of the validation part; None for the whole part.
    """

    def __init__(
        self, data: Dataset, pool: Pool, examples: int, validation: int | None = VALIDATION
    ) -> None:
        self._data = data
        self._inputs, self._labels = pool.inputs[:examples], pool.labels[:examples]
        self._validation = validation

    def __getattr__(self, name: str) -> Any:
        """Returns what the data set itself has."""
        return getattr(self._data, name)

    @property
    def fingerprint(self) -> str:
        """Digest that differs from that of the data set."""
        return f"{self._data.fingerprint} excerpt {len(self._labels)}"

    def size(self, part: str) -> int:
        """Returns the number of examples in a part."""
        if part == "train":
            return len(self._labels)
        whole = self._data.size(part)
        return min(whole, self._validation or whole) if part == "validation" else whole

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        """Returns the permutation int64 [N] that `batches` with this seed follows."""
        if part != "train":
            return self._data.order(part, seed)
        if seed is None:
            return torch.arange(len(self._labels))
        return torch.randperm(len(self._labels), generator=torch.Generator().manual_seed(seed))

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields one pass as (inputs, labels int64 [B]); a seed shuffles it."""
        if part != "train":
            yield from _first(
                self._data.batches(part, batch_size, seed=seed, device=device), self.size(part)
            )
            return
        order = self.order(part, seed)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield self._inputs[rows].to(device), self._labels[rows].to(device)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields one ordered pass as NumPy arrays, for runtimes."""
        for inputs, labels in self.batches(part, batch_size):
            yield inputs.numpy(), labels.numpy()

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields one ordered pass as (8-bit images or texts, labels)."""
        yield from _first(self._data.examples(part, batch_size), self.size(part))


def _read(data: Dataset, batch: int, batches: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Returns inputs and labels of some batches, and the seconds that one example takes.

    The first batch is not timed: it starts the processes that read files.
    """
    inputs: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    begun = seconds = 0.0
    for x, y in data.batches("train", batch, seed=0):
        if inputs and (len(inputs) == batches or _bytes([*inputs, x]) > MOST_BYTES):
            break
        inputs.append(x.clone())
        labels.append(y.clone())
        begun = begun or time.perf_counter()
        seconds = time.perf_counter() - begun
    timed = sum(map(len, labels)) - len(labels[0])
    return torch.cat(inputs), torch.cat(labels), seconds / timed if timed else 0.0


def _bytes(tensors: list[torch.Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


def _first(batches: Iterator[tuple[Any, Any]], count: int) -> Iterator[tuple[Any, Any]]:
    """Yields batches with together at most this many examples."""
    left: float = count if count else math.inf
    for inputs, labels in batches:
        if left <= 0:
            return
        taken = int(min(left, len(labels)))
        yield inputs[:taken], labels[:taken]
        left -= taken
