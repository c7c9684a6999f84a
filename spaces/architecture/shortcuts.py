"""Shortcuts without weights for residual blocks that change the shape (option A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class PaddedShortcut(nn.Module):
    """Passes every second pixel, with channels of zeros on both sides (He et al. 2016, option A).

    It has no weights. Torch-Pruning cannot trace a padding of channels, so the module brings its
    own pruner. After pruning, an index maps the remaining input channels to the outputs.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        if channels_out < channels_in:
            raise ValueError(
                f"a padded shortcut cannot reduce {channels_in} channels to {channels_out}"
            )
        before = (channels_out - channels_in) // 2
        self.stride = stride
        self.channels_in = channels_in
        self.sources = [
            i - before if 0 <= i - before < channels_in else -1 for i in range(channels_out)
        ]
        """The input channel that each output channel copies, or -1 for zeros."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, in, H, W] -> [B, out, ceil(H / stride), ceil(W / stride)]."""
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        before, after = self._padding()
        if before is not None:
            return F.pad(x, (0, 0, 0, 0, before, after))
        # The last channel of the padded input is zero.
        index = [self.channels_in if source < 0 else source for source in self.sources]
        return F.pad(x, (0, 0, 0, 0, 0, 1))[:, torch.tensor(index, device=x.device)]

    def _padding(self) -> tuple[int | None, int]:
        """Returns the numbers of zero channels before and after the inputs.

        Returns (None, 0) if the inputs are incomplete or not consecutive in the output.
        """
        copied = [source for source in self.sources if source >= 0]
        if copied != list(range(self.channels_in)):
            return None, 0
        first = next((i for i, source in enumerate(self.sources) if source >= 0), 0)
        if self.sources[first : first + self.channels_in] != copied:
            return None, 0
        return first, len(self.sources) - first - self.channels_in

    def remove_channels(self, inputs: Sequence[int] = (), outputs: Sequence[int] = ()) -> None:
        """Removes channels of the input and of the output.

        An output channel of a removed input becomes zeros.
        """
        removed_in, removed_out = set(inputs), set(outputs)
        new_index = {
            old: new
            for new, old in enumerate([i for i in range(self.channels_in) if i not in removed_in])
        }
        self.sources = [
            new_index.get(source, -1)
            for i, source in enumerate(self.sources)
            if i not in removed_out
        ]
        self.channels_in = len(new_index)

    @staticmethod
    def torch_pruner() -> Any:
        """Returns the pruner for Torch-Pruning's argument `customized_pruners`."""
        from torch_pruning.pruner.function import BasePruningFunc

        class Pruner(BasePruningFunc):  # type: ignore[misc]
            def prune_in_channels(self, layer: PaddedShortcut, idxs: Sequence[int]) -> nn.Module:
                layer.remove_channels(inputs=idxs)
                return layer

            def prune_out_channels(self, layer: PaddedShortcut, idxs: Sequence[int]) -> nn.Module:
                layer.remove_channels(outputs=idxs)
                return layer

            def get_in_channels(self, layer: PaddedShortcut) -> int:
                return layer.channels_in

            def get_out_channels(self, layer: PaddedShortcut) -> int:
                return len(layer.sources)

        return Pruner()
