"""Residual blocks of any network: modules of any class that a shortcut bypasses.

A block is a child of a Sequential, ModuleList or ModuleDict. It computes: it holds a convolution, a
linear layer or an attention. A path without computation leads from its input through an addition to
its output. A block can be left out if its output has the shape of its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from paretune.inputs import Shape, call, example

_LAYERS = (nn.modules.conv._ConvNd, nn.Linear, nn.MultiheadAttention)

COMPUTES = ("convolution", "addmm", "mm", "bmm", "linear", "attention", "mul", "embedding", "cat")
"""Parts of the names of autograd nodes that compute; a path through them is not a shortcut."""


class PassThrough(nn.Module):
    """Replaces a removed block and returns its input.

    Args:
        pair: The block returned a tuple, with its output as the first item.
    """

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.pair = pair

    def forward(self, x: torch.Tensor, *args: Any, **options: Any) -> Any:
        """Returns the input, [B, ...]; ignores the removed block's other arguments (masks)."""
        return (x,) if self.pair else x


@dataclass(frozen=True)
class ResidualBlock:
    """A residual block.

    Attributes:
        name: Dotted name of the module.
        stage: Shape of the output without the batch; blocks of one stage share it.
        removable: The shortcut has no weights, and the output has the shape of the input.
        pair: The block returns a tuple.
    """

    name: str
    stage: tuple[int, ...]
    removable: bool
    pair: bool


def find_blocks(model: nn.Module, shape: Shape) -> list[ResidualBlock]:
    """Returns the residual blocks in the network's order, without modules that are called twice."""
    names = {
        module: f"{name}.{child}".lstrip(".")
        for name, parent in model.named_modules()
        if isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        for child, module in parent.named_children()
        if type(module) is not nn.Sequential  # has no addition itself; its children may be blocks
        if any(_computes(m) for m in module.modules() if m is not module)
    }
    calls = _calls(model, shape, list(names))
    blocks: dict[nn.Module, ResidualBlock] = {}
    others: dict[nn.Module, ResidualBlock] = {}
    for module, name in names.items():
        if len(calls.get(module, [])) != 1:
            continue
        [(args, options, output)] = calls[module]
        pair = isinstance(output, tuple)
        output = output[0] if pair else output
        if not args or not isinstance(args[0], torch.Tensor) or not args[0].is_floating_point():
            continue
        block = ResidualBlock(name, tuple(output.shape[1:]), output.shape == args[0].shape, pair)
        if _has_shortcut(module, args, options):
            blocks[module] = block
        else:
            others[module] = replace(block, removable=False)
    for module in list(blocks):  # a stack of blocks is not a block
        if any(inner in blocks for inner in module.modules() if inner is not module):
            del blocks[module]
    # A block of the same class with a shortcut that computes, as at the start of a stage, is
    # listed but not removable.
    kinds = {type(module) for module in blocks}
    result = [*blocks.values(), *(b for module, b in others.items() if type(module) in kinds)]
    position = {name: index for index, name in enumerate(names.values())}
    return sorted(result, key=lambda block: position[block.name])


def _computes(module: nn.Module) -> bool:
    """Returns whether a module is a layer; Hugging Face's Conv1D is a linear layer of its own."""
    return isinstance(module, _LAYERS) or type(module).__name__ == "Conv1D"


def _calls(model: nn.Module, shape: Shape, modules: Sequence[nn.Module]) -> dict[nn.Module, Any]:
    """Returns module -> [(args, options, output)] of one forward pass."""
    calls: dict[nn.Module, list[Any]] = {}

    def record(module: nn.Module, args: Any, options: Any, output: Any) -> None:
        calls.setdefault(module, []).append((args, options, output))

    hooks = [m.register_forward_hook(record, with_kwargs=True) for m in modules]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel calls no inner modules
    try:
        with torch.no_grad():
            call(model.eval(), example(shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    return calls


def _has_shortcut(module: nn.Module, args: Any, options: Any) -> bool:
    """Returns whether a path without computation leads from a module's input to its output."""
    start = args[0].detach().clone().requires_grad_(True)
    with torch.enable_grad():
        output = module(start, *args[1:], **options)
    output = output[0] if isinstance(output, tuple) else output
    if not isinstance(output, torch.Tensor) or output.grad_fn is None:
        return False
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(output.grad_fn, False)]
    while stack:
        node, added = stack.pop()
        if node is None or (node, added) in seen:
            continue
        seen.add((node, added))
        name = node.name().lower()
        if "accumulategrad" in name:
            if added and node.variable is start:
                return True
            continue
        if any(word in name for word in COMPUTES):
            continue
        added = added or name.startswith("add")
        stack += [(following, added) for following, _ in node.next_functions]
    return False


def leave_out(model: nn.Module, name: str, pair: bool) -> nn.Module:
    """Replaces a block with `PassThrough` and returns the block."""
    parent, _, child = name.rpartition(".")
    owner = model.get_submodule(parent)
    block = owner.get_submodule(child)
    setattr(owner, child, PassThrough(pair))
    return block


def put_back(model: nn.Module, name: str, block: nn.Module) -> None:
    """Puts a block back that `leave_out` returned."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, block)
