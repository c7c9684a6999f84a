"""The number of channels of a network, by which a pruned network is described."""

from __future__ import annotations

from typing import Any

from torch import nn


def unit_count(model: nn.Module, classes: int) -> int:
    """Returns the outputs of all convolutions and linear layers, without the logits.

    Queries, keys and values of an attention count.

    Args:
        model: The network.
        classes: Number of logits.
    """
    counts = [count for module in model.modules() if (count := _outputs(module))]
    logits = next((i for i in reversed(range(len(counts))) if counts[i] == classes), None)
    return sum(count for i, count in enumerate(counts) if i != logits)


def _outputs(module: Any) -> int:
    if isinstance(module, nn.modules.conv._ConvNd):
        return int(module.out_channels)
    if isinstance(module, nn.MultiheadAttention):
        return 3 * int(module.embed_dim)  # its output is a linear layer inside
    return int(module.out_features) if isinstance(module, nn.Linear) else 0
