"""Excerpt: a few examples of a data set, in memory, to train and to measure on for a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from paretune.nests import Nest, batch_size, is_group, leaves, mapped
from paretune.search.data.dataset import as_arrays, row_order

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

MOST_BYTES = 512 * 2**20
"""Memory for the training examples of an excerpt."""

VALIDATION = 256
"""Validation examples of an excerpt."""

Pair = tuple[Any, Any]
"""(inputs, targets) of a batch."""


class Pool:
    """Training examples that are read once, in random order, and shared by excerpts.

    Attributes:
        by_row: Whether the examples are joined; batches of a user's own loader stay as they are.
        batches: (inputs, targets) of each batch; a single one if the examples are joined.
        count: Number of examples.
        seconds: Seconds that reading one example takes.
    """

    def __init__(self, data: Dataset, batch: int, batches: int) -> None:
        self.by_row = data.order("train", 0) is not None
        read, self.seconds = _read(data, batch, batches)
        self.batches: list[Pair] = [_joined(read)] if self.by_row else read
        self.count = sum(_count(inputs) for inputs, _ in self.batches)

    @property
    def inputs(self) -> Any:
        """The inputs [N, ...] of the first batch, or of all if the examples are joined."""
        return self.batches[0][0]

    @property
    def targets(self) -> Any:
        """The targets that belong to `inputs`."""
        return self.batches[0][1]


class Excerpt:
    """The first examples of a pool as training part; the rest is that of the data set.

    Args:
        data: The data set.
        pool: Training examples.
        validation: Size of the validation part; None for the whole part.
    """

    def __init__(self, data: Dataset, pool: Pool, validation: int | None = VALIDATION) -> None:
        self._data = data
        self._pool = pool
        # A user's score reads its own examples: its part cannot be cut.
        self._validation = validation if pool.by_row else None

    def __getattr__(self, name: str) -> Any:
        """Returns what the data set itself has."""
        return getattr(self._data, name)

    @property
    def fingerprint(self) -> str:
        """Digest that differs from that of the data set."""
        return f"{self._data.fingerprint} excerpt {self._pool.count}"

    def size(self, part: str) -> int:
        """Returns the number of examples in a part."""
        if part == "train":
            return self._pool.count
        size = self._data.size(part)
        return min(size, self._validation or size) if part == "validation" else size

    def steps(self, part: str, batch_size: int) -> int:
        """Returns the number of batches in a pass over a part."""
        if part == "train" and not self._pool.by_row:
            return len(self._pool.batches)
        if not self._pool.by_row:
            return self._data.steps(part, batch_size)
        return math.ceil(self.size(part) / batch_size)

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        """Returns the permutation int64 [N] that `batches` with this seed follows; None if none."""
        if part != "train" or not self._pool.by_row:
            return self._data.order(part, seed)
        return row_order(self._pool.count, seed)

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[Pair]:
        """Yields one pass as (inputs, targets); a seed shuffles it."""
        if part != "train":
            batches = self._data.batches(part, batch_size, seed=seed, device=device)
            yield from _first(batches, self.size(part)) if self._pool.by_row else batches
            return
        for inputs, targets in self._train(batch_size, seed):
            yield _moved(inputs, device), _moved(targets, device)

    def _train(self, batch_size: int, seed: int | None) -> Iterator[Pair]:
        pool = self._pool
        if not pool.by_row:
            for number in row_order(len(pool.batches), seed).tolist():
                inputs, targets = pool.batches[number]
                # A copy: the user's code may change a batch in place.
                yield _moved(inputs, "cpu", copy=True), _moved(targets, "cpu", copy=True)
            return
        order = row_order(pool.count, seed)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield rows_of(pool.inputs, rows), rows_of(pool.targets, rows)

    def arrays(self, part: str, batch_size: int) -> Iterator[Pair]:
        """Yields one ordered pass as NumPy arrays, for runtimes."""
        if part != "train" and not self._pool.by_row:
            yield from self._data.arrays(part, batch_size)
            return
        for inputs, targets in self.batches(part, batch_size):
            yield as_arrays(inputs), as_arrays(targets)

    def examples(self, part: str, batch_size: int) -> Iterator[Pair]:
        """Yields one ordered pass as (inputs before the preprocessing, targets)."""
        yield from _first(self._data.examples(part, batch_size), self.size(part))


def rows_of(nest: Nest, rows: torch.Tensor | slice) -> Nest:
    """Returns some examples of a batch.

    A list has one member for each example, such as the boxes of an image; tensors, tuples and dicts
    have all examples in each tensor.
    """
    if isinstance(nest, list):
        numbers = range(len(nest))[rows] if isinstance(rows, slice) else rows.tolist()
        return [nest[number] for number in numbers]
    if isinstance(nest, Mapping):
        return {key: rows_of(value, rows) for key, value in nest.items()}
    if is_group(nest):
        return tuple(rows_of(value, rows) for value in nest)
    return nest[rows]


def _read(data: Dataset, batch: int, batches: int) -> tuple[list[Pair], float]:
    """Returns some batches, and the seconds that one example takes.

    The first batch is not timed: it starts the processes that read files.
    """
    read: list[Pair] = []
    begun = seconds = 0.0
    for x, y in data.batches("train", batch, seed=0):
        if read and (len(read) == batches or _bytes([*(i for i, _ in read), x]) > MOST_BYTES):
            break
        read.append((_moved(x, "cpu", copy=True), _moved(y, "cpu", copy=True)))
        begun = begun or time.perf_counter()
        seconds = time.perf_counter() - begun
    timed = sum(_count(inputs) for inputs, _ in read[1:])
    return read, seconds / timed if timed else 0.0


def _count(inputs: Nest) -> int:
    return len(leaves(inputs)[0])


def _joined(batches: list[Pair]) -> Pair:
    """Returns several batches as one."""
    inputs, targets = zip(*batches, strict=True)
    return _concatenated(list(inputs)), _concatenated(list(targets))


def _concatenated(nests: list[Nest]) -> Nest:
    first = nests[0]
    if isinstance(first, list):
        return [example for nest in nests for example in nest]
    if isinstance(first, Mapping):
        return {key: _concatenated([nest[key] for nest in nests]) for key in first}
    if is_group(first):
        return tuple(_concatenated(list(members)) for members in zip(*nests, strict=True))
    return torch.cat(nests)


def _moved(nest: Nest, device: str, copy: bool = False) -> Nest:
    def move(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.clone() if copy else leaf.to(device)

    return mapped(nest, move)


def _bytes(nests: list[Nest]) -> int:
    tensors = (leaf for nest in nests for leaf in leaves(nest))
    return sum(t.numel() * t.element_size() for t in tensors)


def _first(batches: Iterator[Pair], count: int) -> Iterator[Pair]:
    """Yields batches with together at most this many examples."""
    left: float = count if count else math.inf
    for inputs, targets in batches:
        if left <= 0:
            return
        taken = int(min(left, batch_size(targets)))
        rows = slice(0, taken)
        yield rows_of(inputs, rows), rows_of(targets, rows)
        left -= taken
