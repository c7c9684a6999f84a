"""Names of the layers of an architecture that structured pruning can cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.inputs import Shape
from paretune.task import Outputs


def prunable_layer_names(
    architecture: Mapping[str, Any], shape: Shape, outputs: Outputs | int, keep: Sequence[str] = ()
) -> list[str]:
    """Returns the layer names from the input to the output; empty if pruning cannot cut any layer.

    Args:
        architecture: {name: {parameters}} with concrete values. Weights are not loaded.
        shape: What the network takes.
        outputs: What the task needs from the network.
        keep: Patterns of names of layers that no pruning changes.
    """
    import copy

    from paretune.spaces.architecture.network import build_network
    from paretune.spaces.base import InfeasibleCandidate
    from paretune.spaces.keeping import kept_modules
    from paretune.spaces.pruning.graph import channel_layers, trace, unfrozen
    from paretune.spaces.pruning.heads import head_layers
    from paretune.spaces.pruning.rounds import infeasible_on_graph_error
    from paretune.spaces.pruning.whole_layers import whole_layers

    untrained = copy.deepcopy(dict(architecture))
    for options in untrained.values():
        if isinstance(options, dict) and "weights" in options:
            options["weights"] = None
    try:
        model = build_network(untrained, shape, outputs, seed=0)
        with unfrozen(model), infeasible_on_graph_error():
            layers = channel_layers(trace(model, shape), []) + head_layers(model, [])
            unpruned = whole_layers(model, shape, kept=kept_modules(model, keep))
    except InfeasibleCandidate:
        return []
    names = {layer.name for layer in layers} - set(unpruned)
    return [name for name, _ in model.named_modules() if name in names]
