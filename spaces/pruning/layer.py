"""PrunableLayer: channels or attention heads that can be removed, with all coupled weights."""

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
        kind: "filters" compute the units' outputs, "inputs" read them, "norm" scales them.
        name: Dotted name of the weight.
        weight: The whole weight [out, in, ...], or [channels] for a normalization.
        bias: The bias [out] or [channels] that belongs to the units; None if there is none.
        dim: Dimension of the weight along which the slices lie.
        index: Positions of the slices along that dimension, int64 [N].
        roots: Unit of each slice, int64 [N].
    """

    kind: PartKind
    name: str
    weight: torch.nn.Parameter
    bias: torch.nn.Parameter | None
    dim: int
    index: torch.Tensor
    roots: torch.Tensor

    def rows(self, tensor: torch.Tensor | None = None) -> torch.Tensor:
        """Returns the slices [N, K] of the weight, or of a tensor of its shape (a gradient)."""
        source = self.weight.detach() if tensor is None else tensor
        return (
            source.movedim(self.dim, 0)[self.index]
            .flatten(1 if source.ndim > 1 else 0)
            .reshape(len(self.index), -1)
        )


@dataclass(frozen=True)
class PrunableLayer:
    """Units (channels or attention heads) that are removed together with all coupled weights.

    Attributes:
        name: Dotted name of the first module that computes the units.
        members: Names of all modules that compute them; each of these names means this layer.
        units: Number of units in each block.
        blocks: Number of equal blocks that shrink together, such as the groups of a grouped
            convolution; usually 1.
        heads: Whether the units are attention heads, which `round_to` does not apply to.
        parts: Weights that compute, read and scale the units.
        touched: (module, "out" or "in", channels): number of this layer's channels on one side of a
            module.
        cut: Removes units, numbered over all blocks, and returns the entry for the history.
        modules: Names of all modules with weights of the units, also normalizations.
        group: Torch-Pruning's group of the units; None for attention heads.
    """

    name: str
    members: tuple[str, ...]
    units: int
    blocks: int
    heads: bool
    parts: tuple[LayerPart, ...]
    touched: tuple[tuple[str, str, int], ...]
    cut: Callable[[list[int]], list[Any]]
    modules: tuple[str, ...] = ()
    group: Any = None
