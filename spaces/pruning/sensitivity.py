"""The rise of the loss when a single layer loses its least important units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paretune.spaces.base import Context
from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.training_loss import mean_loss

if TYPE_CHECKING:
    import torch

SHARES = (0.25, 0.5, 0.75)
"""Shares of a layer's units that are removed for the measurement, one after another."""

Rise = dict[str, list[tuple[float, float]]]
"""Layer name -> [(share of its units removed, rise of the loss)]."""


def scan(
    model: torch.nn.Module,
    layers: Sequence[PrunableLayer],
    scores: Sequence[torch.Tensor],
    context: Context,
    images: int,
) -> Rise:
    """Returns the rise of the loss on training images for each layer and each of SHARES.

    Units are set to zero where they are computed, scaled and read. The network then computes the
    same as without them, so nothing has to be cut (Li et al. 2017, section 3.2, cut the filters).

    Args:
        model: A network in evaluation mode; restored at the end, on the CPU.
        layers: Prunable layers of this model.
        scores: Importance of their units.
        context: Provides data and device.
        images: Number of training examples.
    """
    model.to(context.device)
    unpruned_loss = mean_loss(model, context, images)
    rises: Rise = {}
    for layer, score in zip(layers, scores, strict=True):
        rises[layer.name] = []
        for share in SHARES:
            with _silenced(layer, score, round(share * layer.units)):
                rise = mean_loss(model, context, images) - unpruned_loss
            rises[layer.name].append((share, rise))
    model.cpu()
    return rises


@contextmanager
def _silenced(layer: PrunableLayer, score: torch.Tensor, count: int) -> Iterator[None]:
    """Sets the `count` least important units of a layer to zero in the `with` block."""
    import torch

    silent = torch.zeros(layer.units * layer.blocks, dtype=torch.bool)
    silent[units_to_cut(layer, score, layer.units - count)] = True
    originals: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        for part in layer.parts:
            index = part.index[silent[part.roots]].to(part.weight.device)
            originals.append((part.weight, part.weight.clone()))
            part.weight.movedim(part.dim, 0)[index] = 0.0
            if part.bias is not None:
                originals.append((part.bias, part.bias.clone()))
                part.bias[index] = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in reversed(originals):
                weight.copy_(before)


def units_to_cut(layer: PrunableLayer, score: torch.Tensor, keep: int) -> list[int]:
    """Returns the least important units if `keep` stay in each block, numbered over all blocks.

    A weight that has only some of the units, as a branch that is concatenated with others, keeps at
    least one of them. So a few more units than `keep` may stay.
    """
    import torch

    order = torch.argsort(score, stable=True).tolist()
    least = order[: layer.units - keep]
    partial = partial_units(layer)
    if any(units <= set(least) for units in partial):
        least = []
        for unit in order:
            if len(least) < layer.units - keep:
                gone = {*least, unit}
                least += [] if any(units <= gone for units in partial) else [unit]
    return sorted(unit + block * layer.units for block in range(layer.blocks) for unit in least)


def partial_units(layer: PrunableLayer) -> list[set[int]]:
    """Returns the units of each weight that has not all of them."""
    sets = [{int(root) % layer.units for root in part.roots} for part in layer.parts]
    return [units for units in sets if 0 < len(units) < layer.units]
