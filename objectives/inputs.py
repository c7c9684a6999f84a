"""The shape of a network's inputs: images, or texts as token ids. As in `spaces/inputs.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # heavy, and not needed to name a shape
    import torch

Shape = tuple[int, int, int] | tuple[int, int]
"""(C, H, W): float32 [B, C, H, W], normalized. (length, vocabulary): int64 token ids [B, length] in
[0, vocabulary); token 0 is padding."""


def example(shape: Shape, batch: int = 1) -> torch.Tensor:
    """Returns an input to trace or count with: zero images, or texts of token 1 (no padding)."""
    import torch

    if len(shape) == 3:
        return torch.zeros(batch, *shape)
    length, _ = shape
    return torch.ones(batch, length, dtype=torch.int64)
