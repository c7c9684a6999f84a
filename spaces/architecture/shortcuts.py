"""Shortcuts of residual blocks where the shape changes, without weights (option A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class PaddedShortcut(nn.Module):
    """Every second pixel, and channels of zeros on both sides (He et al. 2016, option A).

    It has no weights. Torch-Pruning cannot see through a padding of channels, so the module brings
    its own pruner; when channels were pruned, the ones left are put in their places by an index.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        if channels_out < channels_in:
            raise ValueError(f"a padded shortcut cannot lead from {channels_in} to {channels_out}")
        before = (channels_out - channels_in) // 2
        self.stride = stride
        self.channels_in = channels_in
        self.sources = [
            i - before if 0 <= i - before < channels_in else -1 for i in range(channels_out)
        ]
        """Of each output channel: the input channel it shows, or -1 for zeros."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, H, W] -> [B, out, ceil(H / stride), ceil(W / stride)]."""
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        before, after = self._padding()
        if before is not None:
            return F.pad(x, (0, 0, 0, 0, before, after))
        # The last channel of the padded input is the one of zeros.
        index = [self.channels_in if source < 0 else source for source in self.sources]
        return F.pad(x, (0, 0, 0, 0, 0, 1))[:, torch.tensor(index, device=x.device)]

    def _padding(self) -> tuple[int | None, int]:
        """Zeros before and after, where all inputs follow each other between them."""
        shown = [source for source in self.sources if source >= 0]
        if shown != list(range(self.channels_in)):
            return None, 0
        first = next((i for i, source in enumerate(self.sources) if source >= 0), 0)
        if self.sources[first : first + self.channels_in] != shown:
            return None, 0
        return first, len(self.sources) - first - self.channels_in

    def without(self, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> None:
        """Removes channels of the input, which show as zeros afterwards, and of the output."""
        gone_in, gone_out = set(inputs), set(outputs)
        places = {
            old: new
            for new, old in enumerate([i for i in range(self.channels_in) if i not in gone_in])
        }
        self.sources = [
            places.get(source, -1) for i, source in enumerate(self.sources) if i not in gone_out
        ]
        self.channels_in = len(places)

    @staticmethod
    def torch_pruner() -> Any:
        """What Torch-Pruning calls to prune such a module (`customized_pruners`)."""
        from torch_pruning.pruner.function import BasePruningFunc

        class Pruner(BasePruningFunc):  # type: ignore[misc]
            def prune_in_channels(self, layer: PaddedShortcut, idxs: Sequence[int]) -> nn.Module:
                layer.without(inputs=idxs)
                return layer

            def prune_out_channels(self, layer: PaddedShortcut, idxs: Sequence[int]) -> nn.Module:
                layer.without(outputs=idxs)
                return layer

            def get_in_channels(self, layer: PaddedShortcut) -> int:
                return layer.channels_in

            def get_out_channels(self, layer: PaddedShortcut) -> int:
                return len(layer.sources)

        return Pruner()
