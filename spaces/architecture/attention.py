"""Transformer encoder blocks that can be pruned by whole heads, hidden units and blocks.

Query, key and value are separate linear layers, and the number of heads follows from their size.
So a network still runs after `head_dim` rows of the three and the same columns of `output` are cut.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762).

    Args:
        width: Channels of the residual stream.
        heads: Number of heads.
        head_dim: Channels of a head; None for width / heads.
        dropout: Share of the attention weights that training drops, in [0, 1).
    """

    def __init__(
        self, width: int, heads: int, head_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.head_dim = head_dim or width // heads
        self.dropout = dropout
        inner = heads * self.head_dim
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.output = nn.Linear(inner, width)

    @property
    def num_heads(self) -> int:
        """Current number of heads; pruning reduces it."""
        return self.query.out_features // self.head_dim

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """[B, T, width] -> [B, T, width].

        Args:
            x: The residual stream, normalized.
            mask: Added to the scores, [B, 1, 1, T]: 0 for a visible token, far below 0 for a
                hidden one.
        """
        batch, length, _ = x.shape
        # Numbers of heads and channels are explicit, so that an exported graph has constants.
        query, key, value = (
            part(x).reshape(batch, length, self.num_heads, self.head_dim).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.head_dim**-0.5,
        )
        inner = self.num_heads * self.head_dim
        return self.output(mixed.transpose(1, 2).reshape(batch, length, inner))  # type: ignore[no-any-return]


class EncoderBlock(nn.Module):
    """Attention and an MLP, each with a LayerNorm before it and a shortcut around it.

    The norm comes first (Xiong et al. 2020, https://arxiv.org/abs/2002.04745): such blocks train
    without a warm-up of the learning rate.

    Args:
        width: Channels of the residual stream.
        heads: Attention heads.
        hidden: Hidden units of the MLP.
        head_dim: Channels of a head; None for width / heads.
        dropout: Share of the outputs of attention and MLP that training drops, in [0, 1).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        head_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_dim, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """[B, T, width] -> [B, T, width]; `mask` as for Attention."""
        x = x + self.drop(self.attention(self.norm1(x), mask))
        hidden = functional.gelu(self.fc1(self.norm2(x)))
        return x + self.drop(self.fc2(hidden))  # type: ignore[no-any-return]
