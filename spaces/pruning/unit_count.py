"""The number of channels of a network, by which a pruned network is described."""

from __future__ import annotations

from typing import Any

from torch import nn

from paretune.inputs import Shape
from paretune.spaces.output_layers import output_layers


def unit_count(model: nn.Module, shape: Shape) -> int:
    """Returns the outputs of all convolutions and linear layers but the output layers.

    Queries, keys and values of an attention count.

    Args:
        model: The network.
        shape: What the network takes.
    """
    outputs = set(output_layers(model, shape))
    return sum(_outputs(module) for name, module in model.named_modules() if name not in outputs)


def _outputs(module: Any) -> int:
    if isinstance(module, nn.modules.conv._ConvNd):
        return int(module.out_channels)
    if isinstance(module, nn.MultiheadAttention):
        return 3 * int(module.embed_dim)  # its output is a linear layer inside
    return int(module.out_features) if isinstance(module, nn.Linear) else 0
