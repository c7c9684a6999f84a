"""The inputs of networks: images, or texts as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # torch takes seconds to import, and Params modules name shapes only
    import torch

ImageShape = tuple[int, int, int]
"""(C, H, W): float32 [B, C, H, W], normalized."""

TextShape = tuple[int, int]
"""(length, vocabulary): int64 token ids [B, length] in [0, vocabulary); 0 is padding."""

Shape = ImageShape | TextShape

Kind = Literal["images", "text"]

PADDING = 0
"""The token that fills a text up to its length."""


def kind_of(shape: Sequence[int]) -> Kind:
    """Returns "images" for a shape (C, H, W), "text" for (length, vocabulary)."""
    return "images" if len(shape) == 3 else "text"


def example(shape: Shape, batch: int = 1) -> torch.Tensor:
    """Returns an input for tracing and counting: images of zeros, or texts of token 1.

    Args:
        shape: Shape of one example.
        batch: Number of examples.
    """
    import torch

    if len(shape) == 3:
        return torch.zeros(batch, *shape)
    length, _ = shape
    return torch.ones(batch, length, dtype=torch.int64)


def shape_text(shape: Shape) -> str:
    """Returns a shape in words: `32x32 pixels and 3 channels`, `128 tokens of 8000`."""
    if len(shape) == 2:
        return f"{shape[0]} tokens of {shape[1]}"
    channels, height, width = shape
    return f"{height}x{width} pixels and {channels} channel{'s' if channels > 1 else ''}"


def random_example(shape: Shape, batch: int, seed: int) -> torch.Tensor:
    """Returns an input to compare two networks on: normal noise, or random tokens above 0.

    Args:
        shape: Shape of one example.
        batch: Number of examples.
        seed: The same seed gives the same input.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    zeros = example(shape, batch)
    if zeros.is_floating_point():
        return torch.randn(zeros.shape, generator=generator)
    return torch.randint(1, max(2, shape[-1]), zeros.shape, generator=generator)
