"""Attention heads as units that pruning can remove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from paretune.spaces.keeping import is_within
from paretune.spaces.pruning.layer import LayerPart, PrunableLayer

if TYPE_CHECKING:
    import torch


def attention_projections(model: torch.nn.Module) -> set[Any]:
    """Returns the linear layers inside attentions that compute queries, keys and values.

    Only whole heads are cut from them: after a cut channel by channel, their width would no longer
    be a multiple of the heads.
    """
    from torch import nn

    projections: set[Any] = set()
    for module in model.modules():
        linear = {n: m for n, m in module.named_children() if isinstance(m, nn.Linear)}
        parts = [m for n, m in linear.items() if n[0] in "qkv" or n.startswith("in_proj")]
        if len(parts) >= 3 or any("qkv" in n or n.startswith("in_proj") for n in linear):
            projections.update(parts)
    return projections


def head_layers(model: torch.nn.Module, ignore: Sequence[str]) -> list[PrunableLayer]:
    """Returns the attentions that can lose heads, as layers.

    These are torch's own and those with separate projections, as in `architecture/attention.py`.
    """
    from torch import nn

    layers = []
    for name, module in model.named_modules():
        if is_within(name, ignore):
            continue
        if isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            if module.bias_k is None and not module.add_zero_attn:
                layers.append(_layer(model, name, module.num_heads, _packed_parts(name, module)))
        elif _is_separate(module):
            layers.append(_layer(model, name, module.num_heads, _separate_parts(name, module)))
    return layers


def remove_heads(model: torch.nn.Module, name: str, removed: Sequence[int]) -> list[Any]:
    """Removes heads from an attention, in place, and returns the entry for the history.

    Args:
        model: The network; an `nn.MultiheadAttention` in it is replaced by a `NarrowAttention`.
        name: Dotted name of the attention.
        removed: Numbers of the heads, from 0.
    """
    from torch import nn

    from paretune.spaces.pruning.narrow_attention import NarrowAttention

    module: Any = model.get_submodule(name)
    if isinstance(module, nn.MultiheadAttention):
        module = NarrowAttention(module)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module)
    kept = [head for head in range(module.num_heads) if head not in removed]
    for linear in (module.query, module.key, module.value):
        _keep(linear, "weight", 0, kept, module.head_dim)
        if linear.bias is not None:
            _keep(linear, "bias", 0, kept, module.head_dim)
        linear.out_features = len(linear.weight)
    output = module.output
    _keep(output, "weight", 1, kept, module.head_dim)
    output.in_features = output.weight.shape[1]
    return [name, "heads", [int(head) for head in removed]]


def _is_separate(module: Any) -> bool:
    """Returns whether a module is an attention with four separate linear layers."""
    from torch import nn

    parts = [getattr(module, part, None) for part in ("query", "key", "value", "output")]
    return hasattr(module, "head_dim") and all(isinstance(part, nn.Linear) for part in parts)


def _layer(
    model: torch.nn.Module, name: str, heads: int, parts: Iterator[LayerPart]
) -> PrunableLayer:
    return PrunableLayer(
        name=name,
        members=(name,),
        units=heads,
        blocks=1,
        heads=True,
        parts=tuple(parts),
        touched=((name, "out", heads),),
        modules=(name,),
        cut=lambda heads: remove_heads(model, name, heads),
    )


def _separate_parts(name: str, module: Any) -> Iterator[LayerPart]:
    import torch

    for part in ("query", "key", "value"):
        linear = getattr(module, part)
        index = torch.arange(len(linear.weight))
        roots = index // module.head_dim
        weight = f"{name}.{part}.weight"
        yield LayerPart("filters", weight, linear.weight, linear.bias, 0, index, roots)
    index = torch.arange(module.output.weight.shape[1])
    weight = f"{name}.output.weight"
    roots = index // module.head_dim
    yield LayerPart("inputs", weight, module.output.weight, None, 1, index, roots)


def _packed_parts(name: str, module: Any) -> Iterator[LayerPart]:
    import torch

    channels = torch.arange(module.embed_dim)
    roots = channels // module.head_dim
    packed, bias = module.in_proj_weight, module.in_proj_bias
    for offset in range(3):  # queries, keys, values
        index = channels + offset * module.embed_dim
        yield LayerPart("filters", f"{name}.in_proj_weight", packed, bias, 0, index, roots)
    weight = module.out_proj.weight
    yield LayerPart("inputs", f"{name}.out_proj.weight", weight, None, 1, channels, roots)


def _keep(module: Any, name: str, dim: int, heads: Sequence[int], head_dim: int) -> None:
    """Reduces a parameter to the channels of these heads along one dimension."""
    import torch

    before = getattr(module, name)
    rows = torch.tensor([head * head_dim + i for head in heads for i in range(head_dim)])
    after = torch.nn.Parameter(before.detach().index_select(dim, rows), before.requires_grad)
    setattr(module, name, after)
