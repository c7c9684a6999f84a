"""The user's own Datasets, DataLoaders and iterables of batches, as passes over a part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, default_collate
from torch.utils.data import Dataset as TorchDataset

from paretune.nests import is_group, leaves
from paretune.search.data.collation import collate, collate_listed, guarded, tupled
from paretune.search.data.dataset import row_order
from paretune.search.data.image_stream import RowOrder
from paretune.search.data.random_state import RandomState, draws, seed_item, seeded
from paretune.search.errors import UserError

PROBED = 32
"""Examples that are read twice, to see whether a Dataset changes them at random."""


class PartSource(ABC):
    """Passes over a part, as the user's code gives its batches.

    Attributes:
        batched: Whether the user's code makes the batches; else the caller decides their size.
        loader_batch: Batch size of the user's loader; None if it is not known before a pass.
    """

    batched = True
    loader_batch: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it is sure that each example is the same in every pass."""
        return False

    @abstractmethod
    def batches(self, batch_size: int, seed: int | None) -> Iterator[Any]:
        """Yields the batches of a pass; a seed decides the order and all random numbers."""

    def count(self) -> int | None:
        """Returns the number of examples; None if only a pass tells it."""
        return None

    def order(self, seed: int | None) -> torch.Tensor | None:
        """Returns the order int64 [N] of a pass; None if it is not known."""
        return None


class DatasetSource(PartSource):
    """A map-style Dataset, whose examples are put into batches here.

    Args:
        dataset: Has `__len__`, and `__getitem__` that returns (inputs, targets).
        rows: Its rows that belong to the part; None for all.
        frozen: Whether random transforms give each example the same result in every pass.
        listed: Whether targets stay a list of one for each example, such as boxes.
        workers: Processes that read examples.
    """

    batched = False

    def __init__(
        self,
        dataset: Any,
        rows: Sequence[int] | None = None,
        *,
        frozen: bool = False,
        listed: bool = False,
        workers: int = 0,
    ) -> None:
        self.dataset = dataset
        self.rows = list(range(len(dataset))) if rows is None else list(rows)
        self._frozen, self._listed, self._workers = frozen, listed, workers

    @cached_property
    def is_random(self) -> bool:
        """Whether reading an example draws random numbers, or gives another one each time."""
        first: list[bytes] = []

        def read() -> list[bytes]:
            return [each for row in self.rows[:PROBED] for each in _bytes(self.dataset[row])]

        with RandomState(0).active():
            return draws(lambda: first.extend(read())) or read() != first

    def taken(self, rows: Sequence[int], frozen: bool) -> DatasetSource:
        """Returns some rows as a part of their own."""
        return DatasetSource(
            self.dataset, rows, frozen=frozen, listed=self._listed, workers=self._workers
        )

    @property
    def repeatable(self) -> bool:
        """Whether each example is the same in every pass."""
        return self._frozen or not self.is_random

    def batches(self, batch_size: int, seed: int | None) -> Iterator[Any]:
        """Yields the batches of a pass."""
        order = row_order(len(self.rows), seed).tolist()
        items: Any = self.dataset
        if self.is_random:
            items = SeededItems(self.dataset, 0 if self._frozen else seed or 0)
        loader = DataLoader(
            items,
            batch_size=batch_size,
            sampler=RowOrder([self.rows[position] for position in order]),
            num_workers=self._workers,
            collate_fn=collate_listed if self._listed else collate,
            generator=torch.Generator().manual_seed(seed or 0),
        )
        yield from seeded(lambda: loader, seed or 0)

    def count(self) -> int:
        """Returns the number of examples."""
        return len(self.rows)

    def order(self, seed: int | None) -> torch.Tensor | None:
        """Returns the order int64 [N] of a pass; None if examples change from pass to pass."""
        return row_order(len(self.rows), seed) if self.repeatable else None


class SeededItems(TorchDataset[Any]):
    """A Dataset whose random transforms depend on a seed and the row only.

    Args:
        dataset: The Dataset.
        seed: Seed of a pass.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self._dataset, self._seed = dataset, seed

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, row: int) -> Any:
        seed_item(self._seed, row)
        return self._dataset[row]


class StreamSource(PartSource):
    """An IterableDataset of torch, whose examples are put into batches here.

    Args:
        dataset: Yields (inputs, targets) of one example.
        listed: Whether targets stay a list of one for each example.
    """

    batched = False

    def __init__(self, dataset: Any, listed: bool = False) -> None:
        self.dataset, self._listed = dataset, listed

    def batches(self, batch_size: int, seed: int | None) -> Iterator[Any]:
        """Yields the batches of a pass."""
        loader = DataLoader(
            self.dataset,
            batch_size=batch_size,
            collate_fn=collate_listed if self._listed else collate,
        )
        yield from seeded(lambda: loader, seed or 0)


class LoaderSource(PartSource):
    """A DataLoader, iterated as it is.

    Args:
        loader: The DataLoader.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self.dataset = loader.dataset
        self.loader_batch = loader.batch_size

    def batches(self, batch_size: int, seed: int | None) -> Iterator[Any]:
        """Yields the loader's batches, seeded."""
        lists = self._loader.collate_fn is default_collate
        for batch in seeded(lambda: self._loader, seed or 0, self._generators()):
            yield tupled(batch) if lists else batch

    def count(self) -> int | None:
        """Returns the number of examples; None for a batch sampler of the user's."""
        loader = self._loader
        if loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
            return None
        examples = len(loader.sampler)  # type: ignore[arg-type]
        size = loader.batch_size
        return examples // size * size if loader.drop_last else examples

    def _generators(self) -> list[torch.Generator]:
        samplers = (self._loader, self._loader.sampler, self._loader.batch_sampler)
        generators = [getattr(each, "generator", None) for each in samplers]
        unique = {id(each): each for each in generators if isinstance(each, torch.Generator)}
        return list(unique.values())


class IterableSource(PartSource):
    """An iterable of batches that can be read again and again.

    Args:
        make: Returns an iterable for each pass; it may be the same one.
    """

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self._make = make

    def batches(self, batch_size: int, seed: int | None) -> Iterator[Any]:
        """Yields the batches, seeded."""
        yield from seeded(self._make, seed or 0)


def is_dataset(value: Any) -> bool:
    """Returns whether a value is a map-style Dataset, of torch or with its two methods."""
    if isinstance(value, TorchDataset):
        return not isinstance(value, IterableDataset)
    if isinstance(value, list | tuple | torch.Tensor | str | dict) or hasattr(value, "dtype"):
        return False
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def source_of(
    where: str, make: Callable[[], Any], *, listed: bool = False, workers: int = 0
) -> PartSource:
    """Returns the source of a part.

    Args:
        where: Source and part, for messages.
        make: Returns a Dataset, a DataLoader or an iterable of batches; called again for each pass
            if that is an iterator.
        listed: Whether the targets of a Dataset stay a list of one for each example.
        workers: Processes that read a Dataset.

    Raises:
        UserError: It is none of these, or can be read once only.
    """
    value = guarded(where, make)
    if isinstance(value, DataLoader):
        return LoaderSource(value)
    if is_dataset(value):
        return DatasetSource(value, listed=listed, workers=workers)
    if isinstance(value, IterableDataset):
        return StreamSource(value, listed)
    if isinstance(value, list) and value and _holds_examples(value):
        return DatasetSource(_Listed(value), listed=listed)
    if isinstance(value, str | dict | torch.Tensor) or not hasattr(value, "__iter__"):
        raise UserError(
            f"{where} is a {type(value).__name__}; give a torch Dataset, a DataLoader, or an "
            "iterable of (inputs, targets)"
        )
    if hasattr(value, "__next__") and guarded(where, make) is value:
        raise UserError(
            f"{where} is a {type(value).__name__}, which is used up after one pass; give a "
            "DataLoader, a list of batches, or a class whose __iter__ begins anew"
        )
    return IterableSource(make if hasattr(value, "__next__") else lambda: value)


class _Listed(TorchDataset[Any]):
    """A list of examples as a Dataset."""

    def __init__(self, examples: list[Any]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, row: int) -> Any:
        return self._examples[row]


def _holds_examples(values: list[Any]) -> bool:
    """Returns whether a list holds examples, with a number as target, and no batches."""
    first = values[0]
    if not isinstance(first, tuple | list) or len(first) != 2:
        return False
    return isinstance(first[1], int | float) or getattr(first[1], "ndim", None) == 0


def _bytes(nest: Any) -> list[bytes]:
    """Returns the content of all leaves."""
    import numpy as np

    values = leaves(nest) if is_group(nest) else [nest]
    return [np.asarray(value).tobytes() for value in values]
