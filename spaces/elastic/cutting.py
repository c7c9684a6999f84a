"""Cuts the least important units out of the layers of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    import torch

    from paretune.spaces.pruning.layer import PrunableLayer


def prunable_layers(model: torch.nn.Module, shape: Shape) -> dict[str, PrunableLayer]:
    """Returns name -> layer of a network that can be cut, channels before heads.

    All parameters must take gradients (`unfrozen`).
    """
    from paretune.spaces.pruning.graph import channel_layers, trace
    from paretune.spaces.pruning.heads import head_layers
    from paretune.spaces.pruning.rounds import infeasible_on_graph_error

    with infeasible_on_graph_error():
        layers = [*channel_layers(trace(model, shape), ()), *head_layers(model, ())]
    return {layer.name: layer for layer in layers}


def cut_layers(
    layers: Mapping[str, PrunableLayer],
    orders: Mapping[str, Sequence[int]],
    staying: Mapping[str, int],
) -> list[Any]:
    """Removes the least important units of layers, and returns the entries for the history.

    Args:
        layers: Layers of the network that is cut in place, from `prunable_layers`.
        orders: Layer -> its units, the least important first.
        staying: Layer -> units that stay.

    Raises:
        InfeasibleCandidate: The network has no such layer, or does not run after the cut.
    """
    import torch

    from paretune.spaces.pruning.rounds import infeasible_on_graph_error
    from paretune.spaces.pruning.sensitivity import units_to_cut

    missing = [name for name in staying if name not in layers]
    if missing:
        raise InfeasibleCandidate(f"subnet: the network has no layer {missing[0]} that can be cut")
    removed = []
    for name, layer in layers.items():
        if name in staying:
            rank = torch.empty(len(orders[name]))
            rank[list(orders[name])] = torch.arange(len(orders[name])).float()
            if units := units_to_cut(layer, rank, staying[name]):
                with infeasible_on_graph_error([name]):
                    removed.append(layer.cut(units))
    return removed
