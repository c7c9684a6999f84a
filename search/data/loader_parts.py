"""The parts of a data set as the user's own loaders give them, checked batch by batch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from paretune.inputs import Shape, moved, shape_json
from paretune.nests import Nest, form_of, named_leaves
from paretune.search.data.batch_check import BatchForm, Dynamic, stacked, tensors_of
from paretune.search.data.collation import guarded
from paretune.search.data.loader_sources import DatasetSource, PartSource
from paretune.search.errors import UserError

MEASURED = ("validation", "test")
"""Parts whose examples must be the same in every pass."""

ROWS = 64
"""Examples in a batch of a pass over a Dataset that checks it."""

ReadTargets = Callable[[str, str, Nest, Nest], Nest]
"""(part, source and part and batch number, inputs, targets) -> targets in the form of the task."""

SAME = (
    "must be the same in every pass, because candidates are compared on it; set shuffle=False and "
    "leave out random transforms"
)


class LoaderParts:
    """Batches of the user's own Datasets, DataLoaders and iterables.

    The validation and the test part are read once to check and to digest them, and a second time
    if they may change from pass to pass. Of the training part, one batch is read.

    Args:
        name: Name of the source, for messages.
        sources: "train", "validation", and "test" if there is one.
        read: Checks the targets of a batch for a built-in task; None for the user's own task.
        dynamic: Axes of the inputs whose sizes vary.
        vocabulary: Number of tokens, for inputs that are integers [B, T].
        listed: Whether targets are a list of one for each example, such as boxes.

    Raises:
        UserError: A part is empty, is used up after one pass, changes where it must not, or has
            batches that do not fit.
    """

    def __init__(
        self,
        name: str,
        sources: Mapping[str, PartSource],
        read: ReadTargets | None = None,
        dynamic: Dynamic | None = None,
        vocabulary: int | None = None,
        listed: bool = False,
    ) -> None:
        self._name, self._sources, self._read = name, sources, read
        self._dynamic, self._vocabulary, self._listed = dynamic, vocabulary, listed
        self._form: BatchForm | None = None
        self._counts: dict[str, tuple[int, int]] = {}
        self.limits: tuple[np.ndarray, np.ndarray] | None = None
        self._digests = {part: self._measured(part) for part in MEASURED if part in sources}
        self._train_form = self._peek()

    @property
    def shape(self) -> Shape:
        """What a network takes, without the batch axis."""
        assert self._form is not None
        return self._form.shape

    @property
    def loader_batch(self) -> int | None:
        """Batch size that the training part's loader fixes; None if the caller decides it."""
        source = self._sources["train"]
        return (source.loader_batch or self._first_batch) if source.batched else None

    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no such part."""
        return self._counted(part)[0]

    def steps(self, part: str, batch_size: int) -> int:
        """Returns the number of batches in a pass over a part."""
        if part in self._sources and not self._sources[part].batched:
            return math.ceil(self.size(part) / batch_size)
        return self._counted(part)[1]

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        """Returns the order int64 [N] of a pass; None if only the user's code knows it."""
        if part not in self._sources:
            return torch.arange(0)
        return self._sources[part].order(seed)

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Nest, Nest]]:
        """Yields one pass as (inputs, targets) of tensors.

        Args:
            part: "train", "validation" or "test".
            batch_size: Examples in a batch of a Dataset; loaders have their own.
            seed: Seed of the order and of random transforms; None is the same as 0 for loaders.
            device: Device of the tensors.

        Raises:
            UserError: A batch does not fit, the user's code raised, or no batch came.
        """
        if part not in self._sources:
            return
        number = 0
        batches = self._sources[part].batches(batch_size, seed)
        while True:
            number += 1
            where = f"{self._name}: {part}: batch {number}"
            batch = guarded(where, lambda: next(batches, None))
            if batch is None:
                break
            inputs, targets = self._checked(part, where, batch)
            yield moved(inputs, device), moved(targets, device)
        if number == 1:
            raise UserError(self._no_batches(part))

    def fingerprint(self, code: str) -> str:
        """Returns a digest of the validation and test content, and of the form of the rest.

        Args:
            code: What else decides the content, such as a digest of the user's module.
        """
        digest = hashlib.sha256(code.encode())
        for part, digests in self._digests.items():
            digest.update(f"{part} {len(digests)}".encode())
            digest.update(b"".join(digests))
        train = [self.size("train"), shape_json(self.shape), self._train_form]
        digest.update(json.dumps(train).encode())
        return digest.hexdigest()

    def read_all(self, part: str) -> None:
        """Reads a whole part, so that its targets are counted."""
        for _ in self.batches(part, ROWS):
            pass

    def _checked(self, part: str, where: str, batch: Any) -> tuple[Nest, Nest]:
        inputs, targets = tensors_of(where, stacked(batch) if self._listed else batch)
        if self._form is None:
            self._form = BatchForm(inputs, where, self._dynamic, self._vocabulary)
        self._form.check(where, inputs)
        if self._read is not None:
            targets = self._read(part, where, inputs, targets)
        return inputs, targets

    def _measured(self, part: str) -> list[bytes]:
        """Returns the digest of each batch of a part that must be the same in every pass.

        Raises:
            UserError: It is not.
        """
        source = self._sources[part]
        if isinstance(source, DatasetSource) and not source.repeatable:
            raise UserError(
                f"{self._name}: {part}: its examples are drawn at random, but it {SAME}"
            )
        first = [self._digest(part, *batch) for batch in self.batches(part, ROWS)]
        if source.repeatable:
            return first
        second: list[bytes] = []
        for inputs, targets in self.batches(part, ROWS, seed=1):
            second.append(_content(inputs, targets))
        for number in range(max(len(first), len(second))):
            if first[number : number + 1] != second[number : number + 1]:
                raise UserError(
                    f"{self._name}: {part}: batch {number + 1} differs between two passes, but it "
                    f"{SAME}"
                )
        return first

    def _digest(self, part: str, inputs: Nest, targets: Nest) -> bytes:
        """Counts a batch, and returns its digest."""
        assert self._form is not None
        examples, batches = self._counts.get(part, (0, 0))
        self._counts[part] = examples + _count(inputs), batches + 1
        for name, leaf in named_leaves(inputs).items():
            if leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()):
                raise UserError(
                    f"{self._name}: {part}: batch {batches + 1} has values that are not finite"
                    + (f" in the input {name}" if name else "")
                )
        if part == "validation":
            self._form.observe(inputs)
            self._widen(inputs)
        return _content(inputs, targets)

    def _widen(self, inputs: Nest) -> None:
        """Notes the smallest and largest value of each channel of images [B, C, H, W]."""
        if not isinstance(inputs, torch.Tensor) or inputs.ndim != 4:
            return
        channels = inputs.float().transpose(0, 1).flatten(1)
        low, high = channels.min(1).values.numpy(), channels.max(1).values.numpy()
        if self.limits is not None:
            low, high = np.minimum(low, self.limits[0]), np.maximum(high, self.limits[1])
        self.limits = low, high

    def _peek(self) -> Any:
        """Reads the first training batch, and returns the form of its targets as JSON.

        Raises:
            UserError: There is none, or it does not fit.
        """
        batches = self.batches("train", ROWS)
        try:
            inputs, targets = next(batches)
        finally:
            batches.close()  # type: ignore[attr-defined]
        self._first_batch = _count(inputs)
        types = [
            f"{leaf.dtype} {leaf.ndim}" if isinstance(leaf, torch.Tensor) else type(leaf).__name__
            for leaf in named_leaves(targets).values()
        ]
        return types[:8] if isinstance(targets, list) else [form_of(targets), types]

    def _counted(self, part: str) -> tuple[int, int]:
        """Returns the numbers of examples and batches, which a pass counts if need be."""
        if part not in self._sources:
            return 0, 0
        if part not in self._counts:
            source = self._sources[part]
            examples = source.count()
            if examples is not None:
                size = source.loader_batch or ROWS
                self._counts[part] = examples, math.ceil(examples / size)
            else:
                counts = [_count(inputs) for inputs, _ in self.batches(part, ROWS)]
                self._counts[part] = sum(counts), len(counts)
        return self._counts[part]

    def _no_batches(self, part: str) -> str:
        """Returns the text for a pass without a batch: the first one, or a later one."""
        if part in self._counts:
            return (
                f"{self._name}: {part}: no batch came in a further pass: it is used up; give a "
                "DataLoader, a list of batches, or a class whose __iter__ begins anew"
            )
        return f"{self._name}: {part}: there are no batches; the part is empty"


def _count(inputs: Nest) -> int:
    return len(next(iter(named_leaves(inputs).values())))


def _content(inputs: Nest, targets: Nest) -> bytes:
    """Returns the digest of a batch."""
    digest = hashlib.blake2b(digest_size=16)
    for nest in (inputs, targets):
        for name, leaf in named_leaves(nest).items():
            array = leaf.cpu().numpy() if isinstance(leaf, torch.Tensor) else np.asarray(leaf)
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
