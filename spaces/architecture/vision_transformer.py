"""The network of the family vit."""

from __future__ import annotations

import torch
from torch import nn

from paretune.spaces.architecture.attention import EncoderBlock


class VisionTransformer(nn.Module):
    """Patches -> tokens with learned positions -> encoder blocks -> logits.

    Args:
        channels: Channels of the images.
        grid: Number of patches down and across.
        classes: Number of logits.
        patch: Side of a patch in pixels.
        depth: Encoder blocks.
        heads: Attention heads.
        width: Channels of a token.
        hidden: Hidden units of the MLPs.
        dropout: Share of units that training drops, in [0, 1).
        token: Classify an additional class token instead of the mean of all tokens.
    """

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        classes: int,
        *,
        patch: int,
        depth: int,
        heads: int,
        width: int,
        hidden: int,
        dropout: float,
        token: bool,
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width)) if token else None
        length = grid[0] * grid[1] + int(token)
        self.positions = nn.Parameter(torch.empty(1, length, width).normal_(std=0.02))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(EncoderBlock(width, heads, hidden, dropout=dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, classes]."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        if self.token is not None:
            tokens = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = self.norm(self.blocks(self.drop(tokens + self.positions)))
        pooled = tokens.mean(dim=1) if self.token is None else tokens[:, 0]
        return self.head(pooled)  # type: ignore[no-any-return]
