"""Where the tensors of a cut network come from: slices of the full network's tensors.

Each element of a copy's tensors is replaced by a number of its own. The copy is then cut by the
same code as any pruned network, and the numbers that are left say which elements stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from paretune.spaces.base import InfeasibleCandidate

SizeName = tuple[str, str]
"""Module and attribute of a size: ("stem.0", "out_channels")."""


@dataclass(frozen=True)
class Slice:
    """The part of a full network's tensor that a cut network's tensor is.

    Attributes:
        source: Name of the full network's tensor.
        index: For each dimension the positions that stay, int64; None if all stay.
    """

    source: str
    index: tuple[torch.Tensor | None, ...]

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns the part; gradients flow back to the tensor."""
        for dim, index in enumerate(self.index):
            if index is not None:
                tensor = tensor.index_select(dim, index)
        return tensor

    def to(self, device: str) -> Slice:
        """Returns the slice with its positions on a device."""
        moved = tuple(None if index is None else index.to(device) for index in self.index)
        return Slice(self.source, moved)


def real_tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields name and tensor of the parameters and buffers of real numbers, each once."""
    for name, tensor in itertools.chain(model.named_parameters(), model.named_buffers()):
        if tensor.is_floating_point():
            yield name, tensor


class ElementNumbers:
    """Numbers the elements of a model's tensors, and finds slices by the numbers.

    Args:
        model: The full network; not changed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names: list[str] = []
        self._starts: list[int] = []
        self._shapes: list[tuple[int, ...]] = []
        start = 0
        for name, tensor in real_tensors(model):
            self._names.append(name)
            self._starts.append(start)
            self._shapes.append(tuple(tensor.shape))
            start += tensor.numel()

    def fill(self, model: nn.Module) -> None:
        """Replaces the elements of a copy of the full network by their numbers, in float64."""
        model.double()
        for (_, tensor), start, shape in zip(
            real_tensors(model), self._starts, self._shapes, strict=True
        ):
            numbers = torch.arange(start, start + tensor.numel(), dtype=torch.float64)
            tensor.data = numbers.reshape(shape)

    def slices(self, model: nn.Module) -> dict[str, Slice]:
        """Returns tensor of a cut model, whose elements are numbers -> its slice.

        Raises:
            InfeasibleCandidate: A tensor is no slice of a single one.
        """
        starts = torch.tensor(self._starts)
        return {name: self._slice(name, t, starts) for name, t in real_tensors(model)}

    def _slice(self, name: str, tensor: torch.Tensor, starts: torch.Tensor) -> Slice:
        numbers = tensor.detach().round().to(torch.int64)
        if not numbers.numel():
            raise InfeasibleCandidate(f"elastic: {name} would be empty in a subnet")
        number = int(torch.searchsorted(starts, numbers.flatten()[:1], right=True)) - 1
        shape = self._shapes[number]
        local = numbers - self._starts[number]
        if local.ndim != len(shape) or bool((local < 0).any()):
            raise self._no_slice(name)
        index: list[torch.Tensor] = []
        strides = _strides(shape)
        for dim, (stride, size) in enumerate(zip(strides, shape, strict=True)):
            line = local[tuple(slice(None) if d == dim else 0 for d in range(local.ndim))]
            index.append(line // stride % size)
        if not torch.equal(_grid(index, strides, local), local):
            raise self._no_slice(name)
        whole = [
            len(line) == size and torch.equal(line, torch.arange(size))
            for line, size in zip(index, shape, strict=True)
        ]
        kept = tuple(None if all_ else line for line, all_ in zip(index, whole, strict=True))
        return Slice(self._names[number], kept)

    @staticmethod
    def _no_slice(name: str) -> InfeasibleCandidate:
        return InfeasibleCandidate(
            f"elastic: {name} of a subnet is no part of one weight of the network, so they cannot "
            f"share it; write its layer into ignore: [{name.rpartition('.')[0]}]"
        )


def _strides(shape: tuple[int, ...]) -> list[int]:
    strides, stride = [], 1
    for size in reversed(shape):
        strides.append(stride)
        stride *= max(size, 1)
    return strides[::-1]


def _grid(index: list[torch.Tensor], strides: list[int], like: torch.Tensor) -> torch.Tensor:
    """Returns the local numbers of the elements at these positions along each dimension."""
    grid = torch.zeros_like(like)
    for dim, (line, stride) in enumerate(zip(index, strides, strict=True)):
        grid = grid + (line * stride).reshape([-1 if d == dim else 1 for d in range(like.ndim)])
    return grid


def sizes_of(model: nn.Module) -> dict[SizeName, Any]:
    """Returns (module, attribute) -> its whole numbers, such as `out_channels`."""
    return {
        (name, attribute): value
        for name, module in model.named_modules()
        for attribute, value in vars(module).items()
        if not attribute.startswith("_") and _is_size(value)
    }


def _is_size(value: Any) -> bool:
    if isinstance(value, tuple) and value:
        return all(_is_size(each) for each in value)
    return isinstance(value, int) and not isinstance(value, bool)


def size_changes(
    before: Mapping[SizeName, Any], after: Mapping[SizeName, Any]
) -> dict[SizeName, Any]:
    """Returns (module, attribute) -> what was added to it, for those that a cut changed."""
    return {
        key: _minus(after[key], value)
        for key, value in before.items()
        if key in after and after[key] != value
    }


def _minus(after: Any, before: Any) -> Any:
    if isinstance(before, tuple):
        return tuple(_minus(a, b) for a, b in zip(after, before, strict=True))
    return after - before


def plus(value: Any, change: Any) -> Any:
    """Returns a size, or a tuple of sizes, after a change."""
    if isinstance(value, tuple):
        return tuple(plus(v, c) for v, c in zip(value, change, strict=True))
    return value + change
