"""Whether the groups of normalizations and convolutions stay equal when units of a layer go."""

from __future__ import annotations

from typing import Any

from torch import nn

from paretune.spaces.pruning.layer import PrunableLayer


def check_parts(layer: PrunableLayer) -> None:
    """Checks that a layer can lose any unit, as far as its parts show.

    Raises:
        ArithmeticError: A weight has fewer channels than the layer, a layer has no unit, or the
            groups of a normalization or convolution would lose different channels.
    """
    for part in layer.parts:
        if len(part.index) and int(part.index.max()) >= part.weight.shape[part.dim]:
            raise ArithmeticError(f"{part.name} has fewer channels than {layer.name}")
    if layer.units < 1:
        raise ArithmeticError(f"{layer.name} has fewer channels than groups")
    for item in layer.group or ():
        _check_groups(layer, item)


def _check_groups(layer: PrunableLayer, item: Any) -> None:
    """Checks that each unit has the same channels in all groups of a module."""
    module = item.dep.target.module
    outwards = "out" in item.dep.handler.__name__
    if isinstance(module, nn.GroupNorm):
        groups, size, alike = module.num_groups, module.num_channels // module.num_groups, False
    elif isinstance(module, nn.modules.conv._ConvNd) and 1 < module.groups < module.out_channels:
        groups = module.groups
        size = (module.out_channels if outwards else module.in_channels) // groups
        # One slice of the weight is the same channel of all groups on this side.
        alike = outwards == module.transposed
    else:
        return
    positions: dict[int, list[list[int]]] = {}
    for index, root in zip(item.idxs, item.root_idxs, strict=True):
        if root is None:
            raise ArithmeticError(f"channels of {layer.name} are mixed with others in a group")
        of_unit = positions.setdefault(root % layer.units, [[] for _ in range(groups)])
        of_unit[index // size].append(index % size if alike else 0)
    for of_unit in positions.values():
        if any(sorted(group) != sorted(of_unit[0]) for group in of_unit):
            raise ArithmeticError(f"groups would lose different channels of {layer.name}")
