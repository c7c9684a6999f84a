"""The dependency graph with the channels that a reshape merges or splits.

Torch-Pruning guesses how a reshape maps channels, from the layers around it. Here the mapping
follows from the sizes before and after the reshape. Where the sizes fit no known mapping, channels
keep their numbers; `whole_layers.py` finds the layers for which that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch_pruning
from torch import nn
from torch_pruning._helpers import _HybridIndex
from torch_pruning.ops import OPTYPE
from torch_pruning.pruner import function

Indices = list[Any]
"""Torch-Pruning's pairs of (index here, index of the group's root)."""

Mapping = Callable[[Indices], Indices]

_LAST_DIM = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.MultiheadAttention)
"""Modules whose channels are the last dimension of an input with more than two."""

_LAYERS = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, *_LAST_DIM)


class ChannelGraph(torch_pruning.DependencyGraph):  # type: ignore[misc]
    """A dependency graph that follows channels through reshapes and pixel shuffles.

    Attributes:
        unfollowed: Layer name -> error, for layers whose channels could not be followed.
    """

    def __init__(self) -> None:
        super().__init__()
        pruner = _ConvPruner()
        self.REGISTERED_PRUNERS[OPTYPE.CONV] = pruner
        self._in_channel_pruning_fn.add(pruner.prune_in_channels)
        self._out_channel_pruning_fn.add(pruner.prune_out_channels)
        self.unfollowed: dict[str, Exception] = {}
        self._outputs: set[Any] = set()  # modules that compute outputs of the network

    def is_output(self, node: Any) -> bool:
        """Returns whether a node computes an output of the network."""
        return not node.outputs or node.module in self._outputs

    def _trace_computational_graph(
        self, module2node: Any, output: Any, gradfn2module: Any, reused: Any, visited: Any
    ) -> Any:
        """Adds the operations before an output to the graph, and notes what computes it."""
        traced = super()._trace_computational_graph(
            module2node, output, gradfn2module, reused, visited=visited
        )
        self._outputs.add(gradfn2module[output.grad_fn])
        return traced

    def _build_dependency(self, module2node: Any) -> None:
        super()._build_dependency(module2node)
        for node in module2node.values():
            if node.type == OPTYPE.RESHAPE:
                node.type = OPTYPE.ELEMENTWISE  # Torch-Pruning does not set its own mapping
                pair = _reshape_mapping(node)
            else:
                pair = _shuffle_mapping(node)
            if pair is not None:
                _connect(node, *pair)


class _ConvPruner(function.ConvPruner):  # type: ignore[misc]
    """Cuts convolutions; Torch-Pruning's own cuts transposed ones with groups along wrong sides."""

    def prune_out_channels(self, layer: Any, idxs: Sequence[int]) -> Any:
        """Removes the same channels of each group; a transposed weight is [in, out / groups]."""
        if not layer.transposed or layer.groups == 1:
            return super().prune_out_channels(layer, idxs)
        size = layer.out_channels // layer.groups
        within = sorted(set(range(size)) - {index % size for index in idxs})
        kept = sorted(set(range(layer.out_channels)) - set(idxs))
        layer.weight = self._prune_parameter_and_grad(layer.weight, within, 1)
        if layer.bias is not None:
            layer.bias = self._prune_parameter_and_grad(layer.bias, kept, 0)
        layer.out_channels = len(kept)
        return layer

    def prune_in_channels(self, layer: Any, idxs: Sequence[int]) -> Any:
        """Removes inputs; a transposed weight has a row for each input of all groups."""
        if not layer.transposed or layer.groups == 1:
            return super().prune_in_channels(layer, idxs)
        kept = sorted(set(range(layer.in_channels)) - set(idxs))
        layer.weight = self._prune_parameter_and_grad(layer.weight, kept, 0)
        layer.in_channels = len(kept)
        return layer


def _connect(node: Any, forward: Mapping, backward: Mapping) -> None:
    """Sets the mapping between a node's inputs and the node."""
    for source in node.inputs:
        for dependency in node.dependencies:
            if dependency.target is source:
                dependency.index_mapping[0] = backward
        for dependency in source.dependencies:
            if dependency.target is node:
                dependency.index_mapping[0] = forward


def _reshape_mapping(node: Any) -> tuple[Mapping, Mapping] | None:
    """Returns how channels go forward and backward through a reshape; None if they stay."""
    before, after = _sizes(node)
    if not before or not after or before[0] != after[0]:
        return None
    if len(before) > 2 and len(after) == 2 and math.prod(before[1:]) == after[1]:
        merged, split = _merged_and_split(before, _last_dim(node, "inputs"))
        return split, merged  # flatten: a channel becomes several features
    if len(before) == 2 and len(after) > 2 and math.prod(after[1:]) == before[1]:
        merged, split = _merged_and_split(after, _last_dim(node, "outputs"))
        return merged, split  # unflatten: several features become a channel
    return None


def _merged_and_split(size: Sequence[int], last: bool) -> tuple[Mapping, Mapping]:
    """Returns (feature -> channel, channel -> features) for a map or tokens that are flattened.

    Args:
        size: Size of the map [B, C, ...], or of the tokens [B, ..., C].
        last: Whether the channels are the last dimension.
    """
    if last:
        channels, repeats = size[-1], math.prod(size[1:-1])
        return (
            _mapped(lambda i: [i % channels]),
            _mapped(lambda i: [i + n * channels for n in range(repeats)]),
        )
    stride = math.prod(size[2:])
    return _mapped(lambda i: [i // stride]), _mapped(
        lambda i: list(range(i * stride, (i + 1) * stride))
    )


def _shuffle_mapping(node: Any) -> tuple[Mapping, Mapping] | None:
    """Returns how channels go through a pixel shuffle, its inverse, or a gated linear unit."""
    name = getattr(node.grad_fn, "name", str)().lower()
    if name.startswith("glu"):
        _, after = _sizes(node)
        half = after[-1] if len(after) == 3 else after[1]
        return _mapped(lambda i: [i % half]), _mapped(lambda i: [i, i + half])
    if "pixelshuffle" in name or "pixelunshuffle" in name:
        up = getattr(node.grad_fn, "_saved_upscale_factor", 0)
        down = getattr(node.grad_fn, "_saved_downscale_factor", 0)
        stride = (up or down) ** 2
        merged = _mapped(lambda i: [i // stride])
        split = _mapped(lambda i: list(range(i * stride, (i + 1) * stride)))
        return (merged, split) if up else (split, merged)
    return None


def _mapped(change: Callable[[int], list[int]]) -> Mapping:
    """Returns a mapping of lists from one of single indices; an index occurs once."""

    def mapping(indices: Indices) -> Indices:
        roots: dict[int, int] = {}
        for i in indices:
            for j in change(i.idx):
                roots.setdefault(j, i.root_idx)
        return [_HybridIndex(idx=j, root_idx=root) for j, root in roots.items()]

    return mapping


def _sizes(node: Any) -> tuple[list[int], list[int]]:
    """Returns the sizes before and after a reshape; empty where autograd does not keep them."""
    before = getattr(node.grad_fn, "_saved_self_sym_sizes", ())
    metadata = getattr(node.grad_fn, "_input_metadata", ())
    after = metadata[0].shape if metadata else ()
    return [int(n) for n in before], [int(n) for n in after]


def _last_dim(node: Any, side: str) -> bool:
    """Returns whether the nearest layer on one side of a node has its channels last."""
    waiting, seen = [node], {id(node)}
    while waiting:
        for near in getattr(waiting.pop(0), side):
            if isinstance(near.module, _LAYERS):
                return isinstance(near.module, _LAST_DIM)
            if id(near) not in seen:
                seen.add(id(near))
                waiting.append(near)
    return False
