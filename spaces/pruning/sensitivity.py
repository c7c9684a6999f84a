"""How much the loss rises when one layer alone loses its least important units."""

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
"""Of a layer's units, tried one after the other."""

Rise = dict[str, list[tuple[float, float]]]


def scan(
    model: torch.nn.Module,
    layers: Sequence[PrunableLayer],
    scores: Sequence[torch.Tensor],
    context: Context,
    images: int,
) -> Rise:
    """Layer name -> [(share, rise of the loss)], measured on training images.

    A unit whose weights are zero where it is made, scaled and read does what a unit does that is
    gone, so nothing needs to be cut (Li et al. 2017, section 3.2, removes filters in earnest).

    Args:
        model: In evaluation mode; comes back as it was, on the CPU.
        layers: Of this model.
        scores: Importance of their units.
        context: Data and device.
        images: How many training examples.
    """
    model.to(context.device)
    whole = mean_loss(model, context, images)
    found: Rise = {}
    for layer, score in zip(layers, scores, strict=True):
        found[layer.name] = []
        for share in SHARES:
            with _silenced(layer, score, round(share * layer.units)):
                rise = mean_loss(model, context, images) - whole
            found[layer.name].append((share, rise))
    model.cpu()
    return found


@contextmanager
def _silenced(layer: PrunableLayer, score: torch.Tensor, count: int) -> Iterator[None]:
    """The `count` least important units of a layer are zero meanwhile."""
    import torch

    gone = units_to_cut(layer, score, layer.units - count)
    lost = torch.zeros(layer.units * layer.blocks, dtype=torch.bool)
    lost[gone] = True
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        for part in layer.parts:
            index = part.index[lost[part.roots]].to(part.weight.device)
            kept.append((part.weight, part.weight.clone()))
            part.weight.movedim(part.dim, 0)[index] = 0.0
            if part.bias is not None:
                kept.append((part.bias, part.bias.clone()))
                part.bias[index] = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, before in reversed(kept):
                weight.copy_(before)


def units_to_cut(layer: PrunableLayer, score: torch.Tensor, keep: int) -> list[int]:
    """The least important units when so many stay in each block, numbered over all blocks."""
    import torch

    least = torch.argsort(score, stable=True)[: layer.units - keep].tolist()
    return sorted(unit + block * layer.units for block in range(layer.blocks) for unit in least)
