"""The dependency graph with the channels that a reshape merges or splits.

Torch-Pruning guesses how a reshape maps channels, from the layers around it. Here the mapping
follows from the sizes before and after the reshape. Where the sizes fit no known mapping, channels
keep their numbers; `whole_layers.py` finds the layers for which that is wrong.
"""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch_pruning
from torch import nn
from torch.overrides import TorchFunctionMode
from torch_pruning._helpers import _HybridIndex
from torch_pruning.dependency.constants import MAX_VALID_DIM
from torch_pruning.dependency.shape_infer import infer_channels_between, init_shape_information
from torch_pruning.ops import OPTYPE
from torch_pruning.pruner import function

from paretune.spaces.pruning.channel_axes import channel_axes, output_size, saved_axis

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
        by_axes: Whether the axis of the channels decides what a slice, a split or a concatenation
            does to them. Classifiers of images and texts keep Torch-Pruning's rules, so that
            a study gives the same networks as before.
    """

    def __init__(self) -> None:
        super().__init__()
        pruner = _ConvPruner()
        concat = _ConcatPruner()
        self.REGISTERED_PRUNERS |= {OPTYPE.CONV: pruner, OPTYPE.CONCAT: concat}
        for pruner_class in (pruner, concat):
            self._in_channel_pruning_fn.add(pruner_class.prune_in_channels)
            self._out_channel_pruning_fn.add(pruner_class.prune_out_channels)
        self.unfollowed: dict[str, Exception] = {}
        self.by_axes = True
        self._outputs: set[Any] = set()  # modules that compute outputs of the network

    def build_dependency(self, *args: Any, **options: Any) -> Any:
        """Traces a network; returns this graph."""
        with _quiet():
            return super().build_dependency(*args, **options)

    def get_pruning_group(self, *args: Any, **options: Any) -> Any:
        """Returns the coupled channels of channels of a module."""
        with _quiet():
            return super().get_pruning_group(*args, **options)

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

    def _trace(self, *args: Any, **options: Any) -> Any:
        with _Concatenations() as self._concatenations:
            return super()._trace(*args, **options)

    def _build_dependency(self, module2node: Any) -> None:
        super()._build_dependency(module2node)
        init_shape_information(self)
        axes = channel_axes(module2node.values()) if self.by_axes else {}
        for node in sorted(module2node.values(), key=lambda node: node.type == OPTYPE.CONCAT):
            axis = next((axes[near] for near in node.inputs if near in axes), None)
            if node.type == OPTYPE.RESHAPE:
                node.type = OPTYPE.ELEMENTWISE  # Torch-Pruning does not set its own mapping
                pair = _reshape_mapping(node, axis)
            elif node.type == OPTYPE.SLICE:
                pair = _slice_mapping(node, axis)
            elif node.type == OPTYPE.SPLIT:
                pair = None
                if not _leave_other_axes(node, axis) and self.by_axes:
                    _leave_unknown_sizes(node)
            elif node.type == OPTYPE.CONCAT:
                pair = None
                self._set_concatenation(node, axis)
                if self.by_axes:
                    self._leave_unknown_widths(node)
            else:
                pair = _shuffle_mapping(node, axis)
            if pair is not None:
                _connect(node, *pair)

    def _leave_unknown_widths(self, node: Any) -> None:
        """Lets channels keep their numbers in a concatenation whose parts cannot be counted."""
        uncounted = node.type == OPTYPE.CONCAT and node.module.concat_sizes is None
        if uncounted and None in [infer_channels_between(self, n, node) for n in node.inputs]:
            node.type = OPTYPE.ELEMENTWISE

    def _set_concatenation(self, node: Any, axis: int | None) -> None:
        """Sets where each input of a concatenation begins, if Torch-Pruning would not know it.

        It cannot count inputs without weights before them, such as features of the network's own
        input, and channels after operations that it does not know.
        """
        sizes, traced = self._concatenations.pieces(node)
        if axis is None or not sizes:
            return
        if _leave_other_axes(node, axis):
            return
        inferred = [infer_channels_between(self, near, node) for near in node.inputs]
        widths = [sizes[index] for index in traced]
        skipped = 1 < node.grad_fn._saved_dim < MAX_VALID_DIM or node.grad_fn._saved_dim == 0
        if len(widths) != len(node.inputs) or (
            inferred == widths and len(sizes) == len(traced) and not skipped
        ):
            return
        node.enable_index_mapping = False
        node.module.concat_sizes = widths
        node.module.pieces = sizes
        for number, near in enumerate(node.inputs):
            into, back = _piece_mapping(node.module, traced[number])
            dependencies = [d for d in node.dependencies if d.target is near]
            dependencies[_earlier(node.inputs, number)].index_mapping[0] = back
            dependencies = [d for d in near.dependencies if d.target is node]
            dependencies[_earlier(node.inputs, number)].index_mapping[0] = into


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Torch-Pruning's warning about a loop, as a module that is called twice makes one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Maximum recursive depth")
        yield


class _Concatenations(TorchFunctionMode):
    """Records the sizes of the tensors that each concatenation joins, while a network runs."""

    _FUNCTIONS = (torch.cat, torch.concat, torch.concatenate)

    def __init__(self) -> None:
        super().__init__()
        self._joined: dict[Any, tuple[list[int], list[int]]] = {}

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Runs a function of torch and notes what a concatenation joined."""
        result = function(*args, **(kwargs or {}))
        if function in self._FUNCTIONS and result.grad_fn is not None:
            named = kwargs or {}
            tensors = args[0] if args else named["tensors"]
            dim = args[1] if len(args) > 1 else named.get("dim", named.get("axis", 0))
            traced = [i for i, tensor in enumerate(tensors) if tensor.grad_fn is not None]
            # An empty tensor of one dimension joins any others.
            sizes = [t.shape[dim] if t.ndim == result.ndim else 0 for t in tensors]
            self._joined[result.grad_fn] = (sizes, traced)
        return result

    def pieces(self, node: Any) -> tuple[list[int], list[int]]:
        """Returns the size of each joined tensor, and the numbers of those that depend on weights.

        Both are empty for a concatenation that was not recorded.
        """
        return self._joined.get(node.grad_fn, ([], []))


class _ConcatPruner(torch_pruning.ops.ConcatPruner):  # type: ignore[misc]
    """Counts the channels of concatenations with inputs that Torch-Pruning does not know."""

    def prune_out_channels(self, layer: Any, idxs: Sequence[int]) -> Any:
        """Removes channels from the pieces that hold them."""
        if not hasattr(layer, "pieces"):
            return super().prune_out_channels(layer, idxs)
        ends = list(itertools.accumulate(layer.pieces))
        pieces = list(layer.pieces)
        for index in idxs:
            pieces[bisect.bisect_right(ends, index)] -= 1
        layer.pieces = pieces
        return None

    prune_in_channels = prune_out_channels


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


def _earlier(inputs: Sequence[Any], number: int) -> int:
    """Returns how many inputs before this one are the same node."""
    return sum(near is inputs[number] for near in inputs[:number])


def _piece_mapping(module: Any, piece: int) -> tuple[Mapping, Mapping]:
    """Returns how channels go from an input of a concatenation to it, and back."""

    def start() -> int:
        return sum(module.pieces[:piece])

    def forward(indices: Indices) -> Indices:
        return [_HybridIndex(idx=i.idx + start(), root_idx=i.root_idx) for i in indices]

    def backward(indices: Indices) -> Indices:
        first, end = start(), start() + module.pieces[piece]
        return [
            _HybridIndex(idx=i.idx - first, root_idx=i.root_idx)
            for i in indices
            if first <= i.idx < end
        ]

    return forward, backward


def _leave_other_axes(node: Any, axis: int | None) -> bool:
    """Lets channels keep their numbers in a node that works along another axis; returns whether."""
    node_axis, size = saved_axis(node), output_size(node)
    if axis is None or node_axis is None or not size or node_axis % len(size) == axis:
        return False
    node.type = OPTYPE.ELEMENTWISE
    return True


def _leave_unknown_sizes(node: Any) -> None:
    """Lets channels keep their numbers in a split whose sizes Torch-Pruning does not know."""
    if node.module.split_sizes is None:
        node.type = OPTYPE.ELEMENTWISE


def _slice_mapping(node: Any, axis: int | None) -> tuple[Mapping, Mapping] | None:
    """Returns how channels go through a slice that Torch-Pruning takes for one of another axis."""
    node_axis, size = saved_axis(node), output_size(node)
    if _leave_other_axes(node, axis) or axis is None or node_axis is None:
        return None
    if len(size) not in (3, 4) or node_axis < 0 or node_axis == (1 if len(size) == 4 else 2):
        return None
    module = node.module

    def forward(indices: Indices) -> Indices:
        return [
            _HybridIndex(idx=(i.idx - module.start) // module.step, root_idx=i.root_idx)
            for i in indices
            if module.start <= i.idx < module.end and (i.idx - module.start) % module.step == 0
        ]

    def backward(indices: Indices) -> Indices:
        return [
            _HybridIndex(idx=i.idx * module.step + module.start, root_idx=i.root_idx)
            for i in indices
        ]

    return forward, backward


def _reshape_mapping(node: Any, axis: int | None) -> tuple[Mapping, Mapping] | None:
    """Returns how channels go forward and backward through a reshape; None if they stay."""
    before, after = _sizes(node)
    if not before or not after or before[0] != after[0]:
        return None
    if len(before) > 2 and len(after) == 2 and math.prod(before[1:]) == after[1]:
        last = _last_dim(node, "inputs") if axis is None else axis == len(before) - 1
        merged, split = _merged_and_split(before, last)
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


def _shuffle_mapping(node: Any, axis: int | None) -> tuple[Mapping, Mapping] | None:
    """Returns how channels go through a pixel shuffle, its inverse, or a gated linear unit."""
    name = getattr(node.grad_fn, "name", str)().lower()
    if name.startswith("glu"):
        _, after = _sizes(node)
        node_axis = saved_axis(node)
        if axis is not None and node_axis is not None and node_axis % len(after) != axis:
            return None
        half = after[axis if axis is not None else -1 if len(after) == 3 else 1]
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
