"""The multiply-adds of a pruned network, computed before anything is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.spaces.pruning.layer import PrunableLayer


@dataclass(frozen=True)
class _Side:
    """The channels of a layer on one side of a module."""

    layer: int
    channels: int


class Cost:
    """Multiply-adds as a function of the units that stay.

    A convolution or linear layer costs in proportion to its outputs and to its inputs, a depthwise
    convolution to its channels, an attention to its heads. Other costs do not change.

    Args:
        layers: The layers that can lose units.
        macs: Module name -> multiply-adds now; "" is the whole network.
        widths: Module name -> (outputs, inputs) now; for an attention both are its heads.
    """

    def __init__(
        self,
        layers: Sequence[PrunableLayer],
        macs: Mapping[str, int],
        widths: Mapping[str, tuple[int, int]],
    ) -> None:
        self._units = [layer.units for layer in layers]
        self._sides: dict[str, dict[str, list[_Side]]] = {}
        for index, layer in enumerate(layers):
            for module, side, channels in layer.touched:
                sides = self._sides.setdefault(module, {"out": [], "in": []})
                sides[side].append(_Side(index, channels))
        self._macs = {name: macs.get(name, 0) for name in self._sides}
        self._widths = widths
        self._rest = macs[""] - sum(self._macs.values())

    def __call__(self, keep: Sequence[int]) -> float:
        """Returns the multiply-adds if `keep[i]` units stay in each block of layer i."""
        removed_shares = [1 - k / units for k, units in zip(keep, self._units, strict=True)]
        total = float(self._rest)
        for name, sides in self._sides.items():
            outputs, inputs = self._widths[name]
            out = sum(side.channels * removed_shares[side.layer] for side in sides["out"])
            into = sum(side.channels * removed_shares[side.layer] for side in sides["in"])
            total += self._macs[name] * (1 - out / outputs) * (1 - into / inputs)
        return total
