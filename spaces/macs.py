"""Multiply-adds of a network, in all and by module: what a pruning target is counted in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.spaces.inputs import Shape, example

if TYPE_CHECKING:
    import torch


def macs_by_module(model: torch.nn.Module, shape: Shape) -> dict[str, int]:
    """Dotted name -> multiply-adds for one input, with everything inside; "" is the whole network.

    Convolutions, linear layers and matrix products count; elementwise operations, normalization and
    pooling do not. torch's FlopCounterMode counts two operations for each multiply-add.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation, of which nothing is counted
    try:
        # With gradients: without, the counter stumbles over a weight that flows from module to
        # module as activations do (DeBERTa's relative positions).
        with torch.enable_grad(), counter:
            model.eval()(example(shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    root = type(model).__name__
    found = {"": int(counter.get_total_flops()) // 2}
    for path, operations in counter.get_flop_counts().items():
        if path.startswith(f"{root}."):
            found[path.removeprefix(f"{root}.")] = sum(operations.values()) // 2
    return found


def count_macs(model: torch.nn.Module, shape: Shape) -> int:
    """Multiply-adds for one input."""
    return macs_by_module(model, shape)[""]
