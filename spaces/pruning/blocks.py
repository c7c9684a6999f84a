"""Residual blocks of any network: modules around which a shortcut leads, whatever they are called.

A block is a child of a Sequential, ModuleList or the like, it computes (it holds a convolution, a
linear layer or an attention), and from its input to its output there is a way through an addition
that no computation lies on. One whose output has the shape of its input can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from paretune.spaces.inputs import Shape, example

COMPUTES = ("convolution", "addmm", "mm", "bmm", "linear", "attention", "mul", "embedding", "cat")
"""Names of autograd's nodes (in part) that are no shortcut."""


class PassThrough(nn.Module):
    """Stands in the place of a block that was removed, and gives what it is given.

    Args:
        pair: The block gave a tuple, whose first item was its output.
    """

    def __init__(self, pair: bool = False) -> None:
        super().__init__()
        self.pair = pair

    def forward(self, x: torch.Tensor, *args: Any, **options: Any) -> Any:
        """The input, [B, ...]; further arguments (masks) are for the block that was here."""
        return (x,) if self.pair else x


@dataclass(frozen=True)
class ResidualBlock:
    """A residual block.

    Attributes:
        name: Of the module.
        stage: Shape of what it gives, without the batch; blocks of a stage agree in it.
        removable: It has a shortcut without weights and gives the shape that it takes.
        pair: It gives a tuple.
    """

    name: str
    stage: tuple[int, ...]
    removable: bool
    pair: bool


def find_blocks(model: nn.Module, shape: Shape) -> list[ResidualBlock]:
    """The residual blocks in the network's order. A module used twice is none."""
    listed = {
        module: f"{name}.{child}".lstrip(".")
        for name, parent in model.named_modules()
        if isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        for child, module in parent.named_children()
        if type(module) is not nn.Sequential  # adds nothing itself; its children may be blocks
        if any(isinstance(m, _LAYERS) for m in module.modules() if m is not module)
    }
    calls = _calls(model, shape, list(listed))
    blocks: dict[nn.Module, ResidualBlock] = {}
    others: dict[nn.Module, ResidualBlock] = {}
    for module, name in listed.items():
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
    for module in list(blocks):  # a stack of blocks is none itself
        if any(inner in blocks for inner in module.modules() if inner is not module):
            del blocks[module]
    # A block of the same kind whose shortcut computes, as where a stage begins, stays.
    kinds = {type(module) for module in blocks}
    found = [*blocks.values(), *(b for module, b in others.items() if type(module) in kinds)]
    places = {name: place for place, name in enumerate(listed.values())}
    return sorted(found, key=lambda block: places[block.name])


_LAYERS = (nn.modules.conv._ConvNd, nn.Linear, nn.MultiheadAttention)


def _calls(model: nn.Module, shape: Shape, modules: Sequence[nn.Module]) -> dict[nn.Module, Any]:
    """Module -> [(args, options, output)] of one forward pass."""
    found: dict[nn.Module, list[Any]] = {}

    def note(module: nn.Module, args: Any, options: Any, output: Any) -> None:
        found.setdefault(module, []).append((args, options, output))

    hooks = [m.register_forward_hook(note, with_kwargs=True) for m in modules]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would pass a layer's parts by
    try:
        with torch.no_grad():
            model.eval()(example(shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    return found


def _has_shortcut(module: nn.Module, args: Any, options: Any) -> bool:
    """Whether a way leads from a module's input to its output that nothing is computed on."""
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
    """Puts `Passed` in the place of a block; gives the block."""
    parent, _, child = name.rpartition(".")
    owner = model.get_submodule(parent)
    block = owner.get_submodule(child)
    setattr(owner, child, PassThrough(pair))
    return block


def put_back(model: nn.Module, name: str, block: nn.Module) -> None:
    """Undoes `leave_out`."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, block)
