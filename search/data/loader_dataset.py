"""Data that the user's own Datasets and DataLoaders give, for built-in tasks and for own ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from paretune.inputs import Signature, Tokens, shape_json, signature_of
from paretune.nests import Nest, mapped
from paretune.nests import batch_size as batch_size_of
from paretune.search.data.dataset import Dataset, as_arrays
from paretune.search.data.loader_parts import LoaderParts
from paretune.search.tasks.target_facts import TargetFacts
from paretune.task import Task


class LoaderDataset(Dataset):
    """Batches of the user's own loaders, in three parts.

    Args:
        source: Name of the source, for reports.
        parts: The parts, checked.
        task: What the outputs of a network mean.
        facts: What the targets are; None if only the user's task knows them.
        code: What decides the content beside the examples that were read, such as a digest of the
            user's module.
        seen: Whether the study starts from weights that may have seen the training part.
        no_test: Why there is no test part; None if there is one.
        notes: Sentences about the origin of parts.
    """

    def __init__(
        self,
        source: str,
        parts: LoaderParts,
        task: Task,
        facts: TargetFacts | None = None,
        *,
        code: str = "",
        seen: bool = False,
        no_test: str | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(source, facts, task)
        self._loaders = parts
        self._seen, self._no_test, self._notes = seen, no_test, tuple(notes)
        self._fingerprint = parts.fingerprint(code)

    @property
    def loader_batch(self) -> int | None:
        """Batch size that the user's own loader fixes; None: the caller decides it."""
        return self._loaders.loader_batch

    @property
    def shape(self) -> tuple[int, ...] | Tokens | Signature:
        """What a network takes, without the batch axis."""
        return self._loaders.shape

    @property
    def fingerprint(self) -> str:
        """Digest of the validation and test content, and of the size and form of the rest."""
        return self._fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the origin of parts."""
        return self._notes

    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no test part."""
        return self._loaders.size(part)

    def steps(self, part: str, batch_size: int) -> int:
        """Returns the number of batches in a pass over a part."""
        return self._loaders.steps(part, batch_size)

    def info(self) -> dict[str, Any]:
        """Returns facts for reports; see `HeldDataset.info` for those that are not always there."""
        facts = super().info()
        notes = facts.pop("notes", None)
        return {
            **facts,
            **({"seen": True} if self._seen else {}),
            **({"no_test": self._no_test} if self._no_test else {}),
            **({"notes": notes} if notes else {}),
        }

    def preprocessing(self) -> dict[str, Any]:
        """Returns how an example becomes the model's input, as JSON for an export's manifest."""
        return {
            "input": "as the loader gives it",
            "shape": shape_json(self.shape),
            "formula": f"x, as the transforms of {self.source} give it",
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """Returns dtype and shape of the model's inputs, as JSON for an export's manifest."""
        described = [
            {"name": each.name, "dtype": each.dtype, "shape": ["batch", *each.shape]}
            for each in signature_of(self.shape).inputs
        ]
        if len(described) == 1:
            return {key: described[0][key] for key in ("dtype", "shape")}
        return {"inputs": described}

    def black(self) -> tuple[float, ...]:
        """Returns the smallest value of each channel of [C, H, W]; empty for other shapes."""
        return self._limit(0)

    def white(self) -> tuple[float, ...]:
        """Returns the largest value of each channel of [C, H, W]; empty for other shapes."""
        return self._limit(1)

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        """Returns the order of a pass; None if a loader decides it, or examples change."""
        return self._loaders.order(part, seed)

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Nest, Nest]]:
        """Yields one pass as (inputs, targets); loaders have their own batch size."""
        return self._loaders.batches(part, batch_size, seed=seed, device=device)

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[Nest, Nest]]:
        """Yields one ordered pass as NumPy arrays: there is no preprocessing but the loader's."""
        return self.arrays(part, batch_size)

    def calibration(self, count: int, batch_size: int) -> Iterator[Nest]:
        """Yields training inputs as NumPy arrays, the same ones each time."""
        left = count
        for inputs, _ in self._loaders.batches("train", batch_size, seed=0):
            taken = min(left, batch_size_of(inputs))
            yield _first(as_arrays(inputs), taken)
            left -= taken
            if left <= 0:
                return

    def _limit(self, which: int) -> tuple[float, ...]:
        limits = self._loaders.limits
        if limits is None:
            return ()
        return tuple(float(value) for value in limits[which])


def _first(arrays: Nest, count: int) -> Nest:
    """Returns the first examples of a batch."""
    return mapped(arrays, lambda array: array[:count])
