"""Multiply-adds of a network and of its modules. Pruning targets are counted in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.inputs import Shape, call, example

if TYPE_CHECKING:
    import torch


def macs_by_module(model: torch.nn.Module, shape: Shape) -> dict[str, int]:
    """Returns dotted module name -> multiply-adds for one input; "" is the whole network.

    A module's count includes the modules inside it.

    Convolutions, linear layers and matrix products count; elementwise operations, normalization and
    pooling do not. torch's FlopCounterMode counts two operations for each multiply-add.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a single operation, which counts as 0
    try:
        # Without gradients the counter fails for a weight that is passed from module to module like
        # an activation (DeBERTa's relative positions).
        with torch.enable_grad(), counter:
            call(model.eval(), example(shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    root = type(model).__name__
    macs = {"": int(counter.get_total_flops()) // 2}
    for path, operations in counter.get_flop_counts().items():
        if path.startswith(f"{root}."):
            macs[path.removeprefix(f"{root}.")] = sum(operations.values()) // 2
    return macs


def count_macs(model: torch.nn.Module, shape: Shape) -> int:
    """Returns the multiply-adds of a network for one input."""
    return macs_by_module(model, shape)[""]
