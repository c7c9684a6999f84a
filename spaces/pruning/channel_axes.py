"""The axis of the channels in each operation's output, followed from the layer before it.

A convolution has its channels at axis 1, also over time ([B, C, T]); a linear layer has them last.
Operations between layers move the axis: transpositions, reductions, new and removed axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

_SECOND = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.PReLU,
)
"""Modules with channels at axis 1."""

_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention, nn.LSTM)
"""Modules with channels at the last axis."""


def channel_axes(nodes: Iterable[Any]) -> dict[Any, int]:
    """Returns node of the dependency graph -> axis of the channels in its output.

    A node without an entry has no layer before it, or no axis that is known.
    """
    axes: dict[Any, int] = {}
    for node in _in_order(nodes):
        axis = _axis(node, axes)
        if axis is not None:
            axes[node] = axis
    return axes


def output_size(node: Any) -> list[int]:
    """Returns the size of a node's output; empty where autograd does not keep it."""
    metadata = getattr(node.grad_fn, "_input_metadata", ())
    return [int(n) for n in metadata[0].shape] if metadata else []


def saved_axis(node: Any, name: str = "_saved_dim") -> int | None:
    """Returns an axis that an operation keeps for its gradient; None if it keeps none."""
    value = getattr(node.grad_fn, name, None)
    return _signed(value) if isinstance(value, int) else None


def _in_order(nodes: Iterable[Any]) -> list[Any]:
    """Returns nodes so that the inputs of each come first; a loop is cut anywhere."""
    order: list[Any] = []
    seen: set[int] = set()
    for start in nodes:
        waiting = [(start, False)]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                waiting.append((node, True))
                waiting += [(near, False) for near in node.inputs]
    return order


def _axis(node: Any, axes: dict[Any, int]) -> int | None:
    size = output_size(node)
    if isinstance(node.module, _SECOND) or hasattr(node.module, "torch_pruner"):
        return 1 if len(size) > 1 else None
    if isinstance(node.module, _LAST):
        return len(size) - 1 if size else None
    for near in node.inputs:
        if near in axes:
            return _moved(node, axes[near], output_size(near), size)
    return None


def _moved(node: Any, axis: int, before: Sequence[int], after: Sequence[int]) -> int | None:
    """Returns the axis of the channels after an operation."""
    name = node.grad_fn.name().partition("Backward")[0]
    count = len(before)
    if name == "T":
        return 1 - axis if count == 2 else axis
    if name == "Transpose":
        pair = [int(_signed(getattr(node.grad_fn, f"_saved_dim{i}"))) % count for i in (0, 1)]
        return pair[1 - pair.index(axis)] if axis in pair else axis
    if name == "Permute":
        return [_signed(dim) % count for dim in node.grad_fn._saved_dims].index(axis)
    if name in ("Unsqueeze", "Stack"):
        new = _signed(node.grad_fn._saved_dim) % (count + 1)
        return axis + (new <= axis)
    if "View" in name or "Reshape" in name:
        return _reshaped(axis, before, after)
    removed = _removed(node, before, after)
    if axis in removed:
        return None
    return axis - sum(dim < axis for dim in removed) + (len(after) - count + len(removed))


def _removed(node: Any, before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Returns the axes that a reduction, a selection or a squeeze removes."""
    dims = getattr(node.grad_fn, "_saved_dim", None)
    if len(after) >= len(before) or dims is None:
        return []
    listed = [dims] if isinstance(dims, int) else list(dims)
    return [_signed(dim) % len(before) for dim in listed]


def _reshaped(axis: int, before: Sequence[int], after: Sequence[int]) -> int | None:
    """Returns the axis that holds the channels after a reshape: the one with as many before it."""
    ahead = math.prod(before[:axis])
    starts = [math.prod(after[:index]) for index in range(len(after))]
    same = [i for i, start in enumerate(starts) if start == ahead]
    exact = [i for i in same if after[i] == before[axis]]
    wide = [i for i in same if after[i] > 1]
    merged = [i for i, start in enumerate(starts) if start <= ahead < start * after[i]]
    return next(iter([*exact, *wide, *merged]), None)


def _signed(value: int) -> int:
    """Returns an axis that autograd may keep as an unsigned 64-bit number."""
    return value - 2**64 if value >= 2**63 else value
