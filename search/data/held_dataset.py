"""The base class of data that Paretune reads itself: images, texts and tensors."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from paretune.search.data.dataset import Dataset
from paretune.search.data.overlaps import overlap_notes
from paretune.search.data.raw_data import RawData
from paretune.search.data.split import Split
from paretune.search.data.target_rows import TargetRows
from paretune.search.data.targets import BoxTargets
from paretune.search.tasks.classification import classification
from paretune.search.tasks.target_facts import TargetFacts
from paretune.task import Task


class HeldDataset(Dataset):
    """Examples of a source, whose targets are in memory.

    Args:
        raw: Data as its source gives it.
        split: Its three parts.
        task: What the outputs of a network mean; None for classification without options.
    """

    facts: TargetFacts

    def __init__(self, raw: RawData, split: Split, task: Task | None = None) -> None:
        facts = raw.facts
        super().__init__(raw.name, facts, task or classification(facts.size, facts.names))
        self._raw = raw
        self._split = split
        self._parts = split.parts
        self._targets = {name: TargetRows(part.targets) for name, part in self._parts.items()}

    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no test part."""
        return len(self._targets[part])

    def counts(self, part: str) -> list[int]:
        """Returns how often a part has each class or label; empty if this has no meaning."""
        targets, size = self._parts[part].targets, self.facts.size
        if isinstance(targets, BoxTargets):
            return _counted(targets.classes(), size)
        match self.facts.kind:
            case "class":
                return _counted(targets, size)
            case "labels":
                return [int(count) for count in targets.sum(0)]
            case "mask":
                return _counted(targets[targets < size], size)
            case _:
                return []

    def info(self) -> dict[str, Any]:
        """Returns facts for reports.

        `seen`, `no_test` and `notes` are there if they apply: whether the split is one for weights
        that may have seen the training part, why there is no test part, and what else to know.
        """
        split, facts = self._split, super().info()
        notes = facts.pop("notes", None)
        return {
            **facts,
            **({"seen": True} if split.seen else {}),
            **({"no_test": split.no_test} if split.no_test else {}),
            **({"notes": notes} if notes else {}),
        }

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was skipped, the origin of parts, and examples that parts share."""
        overlaps = overlap_notes(self._parts, self.facts.kind)
        return (*self._raw.notes, *self._split.notes, *overlaps)

    def _add_targets(self, digest: hashlib._Hash, part: str) -> None:
        """Adds the targets of a part to a digest."""
        digest.update(self._parts[part].targets.tobytes())
        if self.facts.kind != "class":
            targets = self._parts[part].targets
            form = (targets.shape, str(targets.dtype)) if isinstance(targets, np.ndarray) else ()
            digest.update(f"{self.facts.kind}{form}".encode())


def _counted(numbers: np.ndarray, size: int) -> list[int]:
    counted: list[int] = np.bincount(numbers.ravel(), minlength=size).tolist()
    return counted
