"""Probe inputs: examples of different content, in batches of different sizes.

A branch of a network on the values of its input turns with the content: dark and bright images,
high contrast, a single grey; short and long texts; zeros, large and negative values. Some of the
examples are those of a sample, as they are. A network with axes that vary gets other sizes, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from paretune.inputs import Shape, Tokens, kind_of, signature_of
from paretune.nests import Nest, leaves, mapped
from paretune.search.building.probe_contents import (
    FAINT,
    HARSH,
    SIZES,
    image_contents,
    resized,
    tensor_contents,
    text_contents,
)

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

__all__ = ["FAINT", "HARSH", "Batch", "ProbeInputs", "Sample", "probe_inputs", "sample"]

SAMPLE = 64
"""Validation examples that are compared, or that the probe inputs are made from."""

PART = "validation"

Batch = tuple[int, ...]
"""Numbers of the examples in a batch."""


@dataclass(frozen=True)
class Sample:
    """Validation examples of one size.

    Attributes:
        inputs: The inputs, as the network takes them [N, ...].
        targets: The targets [N, ...] if all are tensors of one shape; else None.
    """

    inputs: Any
    targets: torch.Tensor | None

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(leaves(self.inputs)[0])


@dataclass(frozen=True)
class ProbeInputs:
    """Examples of different content.

    Attributes:
        labels: Label of each example: "bright image".
        examples: The examples, as the network takes them [N, ...], at least 5.
        others: Further examples of other sizes, if axes of the inputs vary.
    """

    labels: tuple[str, ...]
    examples: Any
    others: tuple[Any, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of examples of each size; the first is that of `examples`."""
        return tuple(len(leaves(each)[0]) for each in (self.examples, *self.others))

    @property
    def batches(self) -> Iterator[Batch]:
        """Batches as indices, of each size: each example alone, batches of 2, and one of 5."""
        begin = 0
        for count in self.sizes:
            end = begin + count
            yield from ((i,) for i in range(begin, end))
            yield (begin, end - 1)
            yield (end - 2, begin + 1)
            if count > 2:
                yield tuple(range(begin, min(begin + 5, end)))[::-1]
            begin = end

    def size_of(self, batch: Batch) -> int:
        """Returns the number of the size of a batch's examples, from 0."""
        left = batch[0]
        for number, count in enumerate(self.sizes):
            if left < count:
                return number
            left -= count
        raise IndexError(batch)

    def batch(self, indices: Batch) -> Any:
        """Returns a copy of some examples, which a network may change."""
        number = self.size_of(indices)
        begin = sum(self.sizes[:number])
        rows = [i - begin for i in indices]
        return mapped((self.examples, *self.others)[number], lambda x: x[rows].clone())

    def text(self, indices: Batch) -> str:
        """Returns "a batch of 2 (bright image, black image)"."""
        names = ", ".join(self.labels[i] for i in indices[:3])
        more = ", ..." if len(indices) > 3 else ""
        return f"a batch of {len(indices)} ({names}{more})"


def sample(data: Dataset, count: int = SAMPLE) -> Sample:
    """Returns validation examples and their targets, the same ones each time, of mixed classes.

    Batches of a user's own loader are joined while they have the size of the first one.
    """
    taken: list[tuple[Nest, Nest]] = []
    left = count
    with closing(data.batches(PART, count, seed=0)) as batches:  # type: ignore[type-var]
        for inputs, targets in batches:
            if not taken or _form(inputs) == _form(taken[0][0]):
                taken.append((inputs, targets))
                left -= len(leaves(inputs)[0])
            if left <= 0:
                break
    signature = signature_of(data.shape)
    flat = zip(*(signature.flat(inputs) for inputs, _ in taken), strict=True)
    joined = signature.nest([_joined(list(tensors), count) for tensors in flat])
    return Sample(joined, _targets([targets for _, targets in taken], count))


def probe_inputs(examples: Any, data: Dataset) -> ProbeInputs:
    """Returns the probe inputs that are made from a sample.

    Args:
        examples: Inputs of validation examples.
        data: Their data.
    """
    shape = data.shape
    if isinstance(shape, Tokens):
        made: dict[str, Any] = text_contents(examples, shape.vocabulary)
    elif kind_of(shape) == "images":
        made = image_contents(examples, data.black(), data.white())
    else:
        made = tensor_contents(examples, signature_of(shape))
    stacked = _stacked(shape, list(made.values()))
    labels, others = list(made), []
    for factor in SIZES if any(each.dynamic for each in signature_of(shape).inputs) else ():
        few = mapped(stacked, lambda x: x[: min(3, len(x))])
        other, text = resized(few, signature_of(shape), factor)
        if _form(other) != _form(few):
            others.append(other)
            labels += [f"{label}, {text}" for label in list(made)[:3]]
    return ProbeInputs(tuple(labels), stacked, tuple(others))


def _form(inputs: Nest) -> list[tuple[int, ...]]:
    """Returns the shapes of the examples in a batch."""
    return [tuple(each.shape[1:]) for each in leaves(inputs)]


def _joined(tensors: list[torch.Tensor], count: int) -> torch.Tensor:
    if len(tensors) == 1:
        return tensors[0].contiguous()
    return torch.cat(tensors)[:count].contiguous()


def _targets(targets: list[Nest], count: int) -> torch.Tensor | None:
    tensors = [each for each in targets if isinstance(each, torch.Tensor) and each.ndim]
    if len(tensors) < len(targets) or len({tuple(t.shape[1:]) for t in tensors}) != 1:
        return None
    return _joined(tensors, count)


def _stacked(shape: Shape, examples: list[Nest]) -> Any:
    """Returns examples [...] as one batch."""
    signature = signature_of(shape)
    flat = zip(*(signature.flat(each) for each in examples), strict=True)
    return signature.nest([torch.stack(list(tensors)) for tensors in flat])
