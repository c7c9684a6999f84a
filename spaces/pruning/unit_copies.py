"""Units of a layer that have no effect: they are silent, or they repeat units that stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from paretune.spaces.pruning.layer import PrunableLayer

_PER_CHANNEL = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class _Slices:
    """Slices of a tensor that belong to units.

    Attributes:
        tensor: The whole tensor.
        dim: Dimension along which the slices lie.
        of_unit: Unit -> positions of its slices, ascending.
        reads: Whether the slices read the units; others compute or scale them.
    """

    tensor: torch.Tensor
    dim: int
    of_unit: dict[int, list[int]]
    reads: bool

    def pairs(self, units: Sequence[int], others: Sequence[int]) -> list[tuple[int, int]]:
        """Returns (position, position of the same slice of the other unit), each once."""
        pairs = (
            pair
            for unit, other in zip(units, others, strict=True)
            for pair in zip(self.of_unit.get(unit, ()), self.of_unit.get(other, ()), strict=False)
        )
        return list(dict.fromkeys(pairs))

    def rows(self) -> torch.Tensor:
        """Returns the tensor with the slices along the first dimension; shares its memory."""
        return self.tensor.detach().movedim(self.dim, 0)


def silence(layer: PrunableLayer, removed: Sequence[int]) -> None:
    """Sets all weights that compute, scale or read these units to zero, in place."""
    gone = torch.zeros(layer.units * layer.blocks, dtype=torch.bool)
    gone[list(removed)] = True
    for part in layer.parts:
        index = part.index[gone[part.roots]]
        part.weight.detach().movedim(part.dim, 0)[index] = 0.0
        if part.bias is not None:
            part.bias.detach()[index] = 0.0


def mute(layer: PrunableLayer, removed: Sequence[int]) -> list[Any]:
    """Lets modules without weights give zeros for these units; returns hooks to remove.

    A padded shortcut computes units from those of another layer.
    """
    gone = set(removed)

    def zeroing(channels: list[int]) -> Any:
        index = torch.tensor(channels)
        return lambda module, args, output: output.index_fill(1, index, 0.0)

    return [
        item.dep.target.module.register_forward_hook(
            zeroing([i for i, unit in zip(item.idxs, item.root_idxs, strict=True) if unit in gone])
        )
        for item in layer.group or ()
        if hasattr(item.dep.target.module, "torch_pruner")
        and item.dep.handler.__name__ == "prune_out_channels"
    ]


def repeat(layer: PrunableLayer, removed: Sequence[int], kept: Sequence[int]) -> None:
    """Lets each removed unit compute the same as a kept one, in place."""
    for slices in _slices(layer):
        if not slices.reads and (pairs := slices.pairs(removed, kept)):
            to, source = map(list, zip(*pairs, strict=True))
            slices.rows()[to] = slices.rows()[source]


def fold(layer: PrunableLayer, removed: Sequence[int], kept: Sequence[int]) -> None:
    """Adds the weights that read a removed unit to those that read the unit it repeats."""
    for slices in _slices(layer):
        if slices.reads:
            for gone, other in slices.pairs(removed, kept):
                slices.rows()[other] += slices.rows()[gone]


def _slices(layer: PrunableLayer) -> Iterator[_Slices]:
    parts = {(id(part.weight), part.kind == "inputs"): part for part in layer.parts}
    for part in layer.parts:
        of_unit = _of_unit(part.index.tolist(), part.roots.tolist())
        yield _Slices(part.weight, part.dim, of_unit, part.kind == "inputs")
        if part.bias is not None:
            yield _Slices(part.bias, 0, of_unit, False)
        if part.kind == "norm":
            yield from _buffers(part.weight, layer.group, of_unit)
    for item in layer.group or ():
        module: Any = item.dep.target.module
        if any((id(t), reads) in parts for t in _parameters(module) for reads in (True, False)):
            continue
        if isinstance(module, nn.Module) and None not in item.root_idxs:
            of_unit = _of_unit(item.idxs, item.root_idxs)
            for name in _PER_CHANNEL:
                tensor = getattr(module, name, None)
                if isinstance(tensor, torch.Tensor) and len(tensor) > max(item.idxs, default=0):
                    yield _Slices(tensor, 0, of_unit, False)


def _buffers(weight: torch.Tensor, group: Any, of_unit: dict[int, list[int]]) -> Iterator[_Slices]:
    """Yields the running statistics beside a normalization's weight."""
    for item in group or ():
        module = item.dep.target.module
        if getattr(module, "weight", None) is weight:
            for name in ("running_mean", "running_var"):
                tensor = getattr(module, name, None)
                if isinstance(tensor, torch.Tensor):
                    yield _Slices(tensor, 0, of_unit, False)


def _parameters(module: Any) -> list[torch.Tensor]:
    return list(module.parameters(recurse=False)) if isinstance(module, nn.Module) else []


def _of_unit(index: Sequence[int], units: Sequence[int]) -> dict[int, list[int]]:
    of_unit: dict[int, list[int]] = {}
    for position, unit in sorted(zip(index, units, strict=True)):
        of_unit.setdefault(unit, []).append(position)
    return of_unit
