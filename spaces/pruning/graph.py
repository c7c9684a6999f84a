"""Coupled channels of a network, from Torch-Pruning's dependency graph.

Fang et al. 2023, https://arxiv.org/abs/2301.12900. The graph finds coupled channels and cuts them.
Other modules decide how many channels go, and which.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, call, kind_of
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.keeping import is_within
from paretune.spaces.output_layers import float_outputs, typed_example
from paretune.spaces.pruning.heads import attention_projections
from paretune.spaces.pruning.layer import LayerPart, PrunableLayer

if TYPE_CHECKING:
    import torch


GRAPH_ERRORS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError)
"""Exceptions that Torch-Pruning raises for channels that it cannot follow."""


@contextmanager
def unfrozen(model: torch.nn.Module) -> Iterator[None]:
    """Makes all parameters take gradients inside the `with` block, then freezes as before."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    for parameter in model.parameters():
        parameter.requires_grad_(True)  # the graph is traced through autograd
    try:
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.grad = None
            parameter.requires_grad_(name not in frozen)


@contextmanager
def without_timm() -> Iterator[None]:
    """Makes timm look absent in the `with` block, unless it is imported already.

    Torch-Pruning imports it to count operations, which Paretune does by itself. That import takes
    longer than all other imports of a pruning.
    """
    if "timm" in sys.modules:
        yield
        return
    sys.modules["timm"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop("timm", None)


def trace(model: torch.nn.Module, shape: Shape) -> Any:
    """Returns the dependency graph of a network; all its parameters must take gradients."""
    with without_timm():
        from paretune.spaces.pruning.channel_graph import ChannelGraph

    model.eval()
    # Modules of Paretune that the graph cannot trace bring their own pruner. The dict is always
    # passed: the mutable default would carry layers from one network to the next.
    modules: list[Any] = list(model.modules())
    pruners = {type(m): m.torch_pruner() for m in modules if hasattr(m, "torch_pruner")}
    graph = ChannelGraph()

    def outputs_to_trace(outputs: Any) -> list[torch.Tensor]:
        tensors = traceable(outputs)
        graph.by_axes = not _is_classifier(shape, tensors)
        return tensors

    return graph.build_dependency(
        model,
        example_inputs=typed_example(model, shape),
        forward_fn=call,
        output_transform=outputs_to_trace,
        customized_pruners=pruners,
        verbose=False,
    )


def _is_classifier(shape: Shape, outputs: Sequence[torch.Tensor]) -> bool:
    """Returns whether a network gives one vector for one image or text."""
    return kind_of(shape) in ("images", "text") and [o.ndim for o in outputs] == [2]


def traceable(outputs: Any) -> list[torch.Tensor]:
    """Returns the outputs of a network that depend on its weights by a gradient.

    Raises:
        InfeasibleCandidate: None does.
    """
    tensors = [tensor for tensor in float_outputs(outputs) if tensor.grad_fn is not None]
    if not tensors:
        raise InfeasibleCandidate(
            "structured pruning follows gradients from the outputs to the weights, and no output "
            "has one; let `forward` return values before argmax, detach or no_grad"
        )
    return _inner_last(tensors)


def _inner_last(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Returns the outputs, each after those that are computed from it.

    Torch-Pruning takes the first operation of a trace for the end of the network.
    """
    before = [_operations_before(tensor.grad_fn) for tensor in tensors]
    depth = [sum(tensor.grad_fn in others for others in before) for tensor in tensors]
    order = sorted(range(len(tensors)), key=depth.__getitem__)
    return [tensors[index] for index in order]


def _operations_before(node: Any) -> set[Any]:
    """Returns all nodes that an autograd node depends on."""
    seen: set[Any] = set()
    waiting = [node]
    while waiting:
        for following, _ in waiting.pop().next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return seen


def channel_layers(graph: Any, ignore: Sequence[str]) -> list[PrunableLayer]:
    """Returns the layers that can lose channels, except layers with an ignored module."""
    from torch import nn

    names = {module: name for name, module in graph.model.named_modules()}
    order = {name: index for index, name in enumerate(names.values())}
    heads = attention_projections(graph.model)
    layers = []
    for group in _groups(graph):
        members = [
            names[dep.target.module]
            for dep, _ in group
            if isinstance(dep.target.module, nn.modules.conv._ConvNd | nn.Linear)
            and graph.is_out_channel_pruning_fn(dep.handler)
        ]
        if not _free(graph, group, heads) or any(is_within(name, ignore) for name in members):
            continue
        members.sort(key=order.__getitem__)
        layers.append(_layer(graph, group, tuple(members), names))
    return layers


def fits_its_parts(layer: PrunableLayer) -> bool:
    """Returns whether each part has the slices and units that the graph counts.

    It counts wrongly where `forward` changes some of the channels only (a partial convolution, a
    shuffle of groups that were pruned).
    """
    units = layer.units * layer.blocks
    return all(
        int(part.roots.max()) < units and int(part.index.max()) < part.weight.shape[part.dim]
        for part in layer.parts
        if part.roots.numel()
    )


def _groups(graph: Any) -> Iterator[Any]:
    """Yields the coupled channels of each layer once, in the order of the trace.

    A layer whose channels cannot be followed is left out, and its name is kept in the graph.
    """
    from torch import nn

    visited: set[Any] = set(graph.IGNORED_LAYERS_IN_TRACING)
    for module in list(graph.module2node):
        if not isinstance(module, nn.modules.conv._ConvNd | nn.Linear) or module in visited:
            continue
        pruner = graph.get_pruner_of_module(module)
        channels = list(range(pruner.get_out_channels(module)))
        if len(channels) == 1:
            continue  # a filter along the channels (ECA) or a map of weights, not a layer
        try:
            group = graph.get_pruning_group(module, pruner.prune_out_channels, channels)
        except GRAPH_ERRORS as error:
            graph.unfollowed[graph._module2name[module]] = error
            continue
        produced = {d.target.module for d, _ in group if graph.is_out_channel_pruning_fn(d.handler)}
        ignored = produced & set(graph.IGNORED_LAYERS_IN_TRACING)
        visited |= {m for m in produced if isinstance(m, nn.Module)}
        if not ignored:
            yield group


def _free(graph: Any, group: Any, heads: set[Any]) -> bool:
    """Returns whether a group may be cut: it is coupled neither to an output nor to an attention.

    The channels of an output stay; the inputs of the layer that computes it may go. A transformer's
    residual stream is coupled to embeddings, LayerNorm and attention heads, so it stays whole. The
    hidden widths of its MLPs may be cut. Attention heads are separate layers (`heads.py`).
    """
    from torch import nn

    uncut_types = (nn.LayerNorm, nn.MultiheadAttention, nn.Parameter, nn.Embedding)
    for dep, _ in group:
        outwards = graph.is_out_channel_pruning_fn(dep.handler)
        if outwards and (graph.is_output(dep.target) or dep.target.module in heads):
            return False
        if isinstance(dep.target.module, uncut_types):
            return False
    return True


def _layer(
    graph: Any, group: Any, members: tuple[str, ...], names: dict[Any, str]
) -> PrunableLayer:
    root, handler = group[0].dep.target.module, group[0].dep.handler
    blocks = _blocks(group)
    channels = [[index] for index in group[0].idxs]  # of each unit
    if blocks == 1:
        coarse = _coarsest(graph, group)
        if coarse is not group:
            channels = _channels_of_units(coarse, root, handler)
            group = coarse

    def cut(units: list[int]) -> list[Any]:
        indices = sorted(index for unit in units for index in channels[unit])
        graph.get_pruning_group(root, handler, indices).prune()
        name, is_out, indices = graph.pruning_history()[-1]
        return [name, bool(is_out), [int(i) for i in indices]]

    return PrunableLayer(
        name=members[0],
        members=members,
        units=len(channels) // blocks,
        blocks=blocks,
        heads=False,
        parts=tuple(_parts(graph, group, names)),
        touched=tuple(_touched(graph, group, names)),
        modules=tuple(dict.fromkeys(names[m] for m in _modules(group) if m in names)),
        cut=cut,
        group=group,
    )


def _coarsest(graph: Any, group: Any) -> Any:
    """Returns the group from where it has the fewest channels: each of them is one unit.

    All features of a linear layer that a reshape turns into one channel of a convolution are one
    unit, and so are the channels of two halves that multiply each other.
    """
    root, handler, all_channels = group[0].dep.target.module, group[0].dep.handler, group[0].idxs
    narrow = [item for item in group if len(set(item.idxs)) < len(all_channels)]
    for item in sorted(narrow, key=lambda item: len(set(item.idxs))):
        indices = sorted(set(item.idxs))
        try:
            coarse = graph.get_pruning_group(item.dep.target.module, item.dep.handler, indices)
        except GRAPH_ERRORS:
            continue
        numbers = {index: number for number, index in enumerate(indices)}
        for part in coarse:
            part.root_idxs[:] = [numbers.get(index) for index in part.root_idxs]
        if set(_indices(coarse, root, handler)) == set(all_channels):
            return coarse
    return group


def _channels_of_units(group: Any, root: Any, handler: Any) -> list[list[int]]:
    """Returns the channels of the root that each unit of a group consists of."""
    channels: list[list[int]] = [[] for _ in group[0].idxs]
    for index, unit in _indices(group, root, handler).items():
        channels[unit].append(index)
    return channels


def _indices(group: Any, module: Any, handler: Any) -> dict[int, int]:
    """Returns channel -> unit for one side of a module in a group."""
    return {
        index: unit
        for item in group
        if item.dep.target.module is module and item.dep.handler == handler
        for index, unit in zip(item.idxs, item.root_idxs, strict=True)
        if unit is not None
    }


def _parts(graph: Any, group: Any, names: dict[Any, str]) -> Iterator[LayerPart]:
    """Yields the weights of a group's convolutions, linear layers and batch normalizations.

    Depthwise filters are left out: they go with the channels that they filter.
    """
    import torch
    from torch import nn
    from torch_pruning.ops import OPTYPE

    convolution, linear = (graph.REGISTERED_PRUNERS[t] for t in (OPTYPE.CONV, OPTYPE.LINEAR))
    outwards = (convolution.prune_out_channels, linear.prune_out_channels)
    inwards = (convolution.prune_in_channels, linear.prune_in_channels)
    for item in group:
        module, handler = item.dep.target.module, item.dep.handler
        index, roots = torch.tensor(item.idxs), item.root_idxs
        if any(root is None for root in roots):
            continue
        name = f"{names.get(module, '')}.weight".lstrip(".")
        roots = torch.tensor(roots)
        flipped = bool(getattr(module, "transposed", False))
        grouped = getattr(module, "groups", 1) > 1
        if handler in outwards:
            bias = module.bias
            if grouped and flipped:  # a column has the same channel of all groups
                index, bias = index % module.weight.shape[1], None
            yield LayerPart("filters", name, module.weight, bias, int(flipped), index, roots)
        elif handler in inwards:
            if grouped and not flipped:
                index = index % module.weight.shape[1]  # filters of a group read its inputs only
            yield LayerPart("inputs", name, module.weight, None, int(not flipped), index, roots)
        elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
            yield LayerPart("norm", name, module.weight, module.bias, 0, index, roots)


def _modules(group: Any) -> list[Any]:
    return [dep.target.module for dep, _ in group]


def _touched(graph: Any, group: Any, names: dict[Any, str]) -> Iterator[tuple[str, str, int]]:
    from torch import nn

    for dep, indices in group:
        if isinstance(dep.target.module, nn.modules.conv._ConvNd | nn.Linear):
            side = "out" if graph.is_out_channel_pruning_fn(dep.handler) else "in"
            yield names[dep.target.module], side, len(indices)


def _blocks(group: Any) -> int:
    """Returns the number of equal blocks of a group's channels that must shrink together.

    Grouped convolutions, GroupNorm and equal splits make such blocks: both halves of a gate lose
    the same channels.
    """
    from torch import nn

    blocks = 1
    for dep, _ in group:
        module = dep.target.module
        convolution = isinstance(module, nn.modules.conv._ConvNd)
        if convolution and 1 < module.groups < module.out_channels:
            blocks = max(blocks, module.groups)
        if isinstance(module, nn.GroupNorm):
            blocks = max(blocks, module.num_groups)
        parts = getattr(module, "split_sizes", None) or []
        if len(set(parts)) == 1:
            blocks = max(blocks, len(parts))
    return blocks
