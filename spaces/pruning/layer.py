"""Layer: channels or heads that can go, with everything that is coupled to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

PartKind = Literal["filters", "inputs", "norm"]


@dataclass(frozen=True)
class LayerPart:
    """Slices of one weight that belong to a layer's units.

    Attributes:
        kind: "filters" make the units' outputs, "inputs" read them, "norm" scales them.
        name: The weight's dotted name.
        weight: [out, in, ...], or [channels] of a normalization.
        bias: [out] or [channels], where there is one and it belongs to the units.
        dim: The dimension of the weight along which the slices lie.
        index: int64 [N], positions along it.
        roots: int64 [N], the unit that each of them belongs to.
    """

    kind: PartKind
    name: str
    weight: torch.nn.Parameter
    bias: torch.nn.Parameter | None
    dim: int
    index: torch.Tensor
    roots: torch.Tensor

    def rows(self, tensor: torch.Tensor | None = None) -> torch.Tensor:
        """The slices as [N, K], of the weight or of a tensor of its shape (a gradient)."""
        source = self.weight.detach() if tensor is None else tensor
        return (
            source.movedim(self.dim, 0)[self.index]
            .flatten(1 if source.ndim > 1 else 0)
            .reshape(len(self.index), -1)
        )


@dataclass(frozen=True)
class PrunableLayer:
    """Units (channels, or attention heads) that are cut together with all that is coupled to them.

    Attributes:
        name: The first module that makes them.
        members: All modules that make them; any of these names means this layer.
        units: How many there are, in each block.
        blocks: Parts that shrink together (the groups of a grouped convolution), 1 ordinarily.
        heads: Units are attention heads, which `round_to` does not concern.
        parts: Weights that make, read and scale the units.
        touched: (module, "out" or "in", channels): what one side of a module has of this layer.
        cut: Removes units, numbered over all blocks, and gives the entry for the history.
    """

    name: str
    members: tuple[str, ...]
    units: int
    blocks: int
    heads: bool
    parts: tuple[LayerPart, ...]
    touched: tuple[tuple[str, str, int], ...]
    cut: Callable[[list[int]], list[Any]]
