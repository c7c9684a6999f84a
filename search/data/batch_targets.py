"""Checks the targets of a user's batches for a built-in task, and counts their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from paretune.nests import Nest, mapped
from paretune.search.data.facts_of_targets import pixel_classes
from paretune.search.data.raw_data import checked_labels, count_classes
from paretune.search.data.target_rows import TargetRows
from paretune.search.data.targets import (
    BoxTargets,
    RawTargets,
    TargetsWanted,
    checked_targets,
    refuse_bad_boxes,
)
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts

NUMBERED = ("class", "mask", "boxes")
"""Targets whose classes have numbers."""


class BatchTargets:
    """Brings the targets of batches to the form that a built-in task takes.

    Args:
        name: Name of the source, for messages.
        wanted: What the targets must be.
        names: Names of the classes, labels or values; empty if there are none.
        vocabulary: Number of tokens, for the targets of a language model.
    """

    def __init__(
        self,
        name: str,
        wanted: TargetsWanted,
        names: Sequence[str] = (),
        vocabulary: int | None = None,
    ) -> None:
        self._name, self._wanted, self._names = name, wanted, tuple(names)
        self._vocabulary = vocabulary
        self._present: dict[str, set[int]] = {}
        self._width: int | None = None
        self.facts: TargetFacts | None = None

    @property
    def needs_training_classes(self) -> bool:
        """Whether the classes of the training part must be counted."""
        return self._wanted.kind in NUMBERED and not self._names

    def read(self, part: str, where: str, inputs: Nest, targets: Nest) -> Nest:
        """Returns the targets of a batch as tensors in the form of the task.

        Args:
            part: "train", "validation" or "test".
            where: Source, part and batch number, for messages.
            inputs: Inputs of the batch, as tensors.
            targets: What the user's code gave.

        Raises:
            UserError: They do not fit the task or the inputs.
        """
        name, _, rest = where.rpartition(": ")
        raw = self._checked(name, rest, inputs, mapped(targets, _array))
        self._check_fit(where, inputs, raw)
        self._check_numbers(part, where, raw)
        rows = TargetRows(raw)
        return rows[slice(0, len(rows))]

    def add_labels(self, part: str, labels: np.ndarray) -> None:
        """Adds the classes of a part that are known without a pass."""
        self._present.setdefault(part, set()).update(np.unique(labels).tolist())

    def finish(self) -> TargetFacts:
        """Returns the facts of all targets that were read; later ones must not exceed them.

        Raises:
            UserError: There is nothing to learn, or a part has a class that training lacks.
        """
        kind = self._wanted.kind
        if kind == "next":
            size = self._vocabulary or 0
        elif kind in NUMBERED:
            size = self._classes()
        else:
            size = self._width or 0
        self.facts = TargetFacts(kind, size, self._names)
        return self.facts

    def _classes(self) -> int:
        present = {part: np.array(sorted(each)) for part, each in self._present.items()}
        named = len(self._names)
        if self._wanted.kind == "class" and "train" in present:
            return count_classes(self._name, present, named or None)
        train = present.get("train", np.arange(named))
        size = named or int(train.max(initial=-1)) + 1
        if size < 1 or (size < 2 and self._wanted.kind != "boxes"):
            raise UserError(
                f"{self._name}: the training part has {size} classes; there is nothing to learn"
            )
        for part, numbers in present.items():
            if len(numbers) and numbers.max() >= size:
                raise UserError(
                    f"{self._name}: {part}: class {numbers.max()} is out of range; the classes are "
                    f"0 to {size - 1}"
                )
        return size

    def _checked(self, name: str, batch: str, inputs: Nest, targets: Nest) -> RawTargets:
        count = len(_first(inputs))
        if self._wanted.kind == "class":
            if isinstance(targets, Mapping | tuple) or not np.shape(targets):
                raise UserError(
                    f"{name}: {batch}: the targets are a {type(targets).__name__}; give one "
                    "integer for each example"
                )
            return checked_labels(name, batch, np.asarray(targets), _first(inputs).shape)
        return checked_targets(name, batch, targets, count, self._wanted.kind)

    def _check_fit(self, where: str, inputs: Nest, targets: RawTargets) -> None:
        """Refuses masks and boxes that do not lie in their images, and other numbers of values."""
        kind = self._wanted.kind
        if kind in ("mask", "boxes"):
            shape = _first(inputs).shape
            if len(shape) != 4:
                raise UserError(f"{where} has inputs {list(shape)}; this task needs [B, C, H, W]")
            height, width = shape[2:]
            if isinstance(targets, BoxTargets):
                for row, boxes in enumerate(targets.boxes):
                    refuse_bad_boxes(f"{where}: example {row}", boxes, (height, width))
            elif targets.shape[1:] != (height, width):
                raise UserError(
                    f"{where} has masks {list(targets.shape[1:])} and images {[height, width]}; "
                    "give one class for each pixel"
                )
        elif kind in ("labels", "values"):
            assert isinstance(targets, np.ndarray)
            self._width = self._width or targets.shape[1]
            if targets.shape[1] != self._width:
                raise UserError(
                    f"{where} has {targets.shape[1]} targets for each example, and the first batch "
                    f"{self._width}"
                )
        elif kind == "next" and targets.shape != tuple(_first(inputs).shape):
            raise UserError(
                f"{where} has tokens {list(_first(inputs).shape)} and next tokens "
                f"{list(targets.shape)}; give as many"
            )

    def _check_numbers(self, part: str, where: str, targets: RawTargets) -> None:
        """Counts the classes, or refuses those beyond the number of classes."""
        if isinstance(targets, BoxTargets):
            numbers = np.unique(targets.classes())
        elif self._wanted.kind == "mask":
            numbers = pixel_classes(targets, self._wanted.ignore)
        elif self._wanted.kind in ("class", "next"):
            ends = self.facts is not None and targets.size
            numbers = np.array([targets.min(), targets.max()]) if ends else np.unique(targets)
        else:
            return
        size = self.facts.size if self.facts else self._vocabulary
        if size is not None and len(numbers) and not 0 <= numbers[0] <= numbers[-1] < size:
            wrong = numbers[-1] if numbers[-1] >= size else numbers[0]
            raise UserError(f"{where} has class {wrong}, but the classes are 0 to {size - 1}")
        if self.facts is None and self._wanted.kind != "next":
            self._present.setdefault(part, set()).update(numbers.tolist())


def _first(inputs: Nest) -> torch.Tensor:
    if isinstance(inputs, Mapping):
        inputs = next(iter(inputs.values()))
    first: torch.Tensor = inputs[0] if isinstance(inputs, tuple) else inputs
    return first


def _array(leaf: Any) -> Any:
    """Returns a tensor as an array; other leaves stay as they are."""
    return leaf.detach().cpu().numpy() if isinstance(leaf, torch.Tensor) else leaf
