"""The network of the family text_transformer."""

from __future__ import annotations

import torch
from torch import nn

from paretune.inputs import PADDING
from paretune.spaces.architecture.attention import EncoderBlock

PADDING_SCORE = -1e4
"""Added to the attention score of padding: far below any other, and finite in float16."""

INITIAL_DEVIATION = 0.02
"""Standard deviation of the initial embeddings, as in BERT (https://arxiv.org/abs/1810.04805)."""


class TextEncoder(nn.Module):
    """Embeds tokens and positions, applies encoder blocks, pools, and gives logits.

    Factorized embeddings and shared layers are those of ALBERT (Lan et al. 2019,
    https://arxiv.org/abs/1909.11942). A shared block is registered once and applied `rounds` times,
    so that a file contains it once.

    Args:
        length: Tokens of a text.
        vocabulary: Number of different tokens; token 0 is padding.
        classes: Number of logits.
        layers: Encoder layers.
        width: Channels of each token.
        heads: Attention heads.
        hidden: Hidden units of the MLPs.
        embedding: Channels of the token embeddings; None for the width.
        shared: Use one block for all layers.
        pooling: Input of the classifier: "mean" of the text's tokens, or "cls", the first token.
        dropout: Share of units that training drops, in [0, 1).
    """

    def __init__(
        self,
        *,
        length: int,
        vocabulary: int,
        classes: int,
        layers: int,
        width: int,
        heads: int,
        hidden: int,
        embedding: int | None = None,
        shared: bool = False,
        pooling: str = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.rounds = layers if shared else 1
        self.tokens = nn.Embedding(vocabulary, embedding or width, padding_idx=PADDING)
        self.project = nn.Linear(embedding, width, bias=False) if embedding else nn.Identity()
        self.positions = nn.Parameter(torch.empty(1, length, width))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(
                EncoderBlock(width, heads, hidden, dropout=dropout)
                for _ in range(1 if shared else layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        nn.init.normal_(self.positions, std=INITIAL_DEVIATION)
        nn.init.normal_(self.tokens.weight, std=INITIAL_DEVIATION)
        with torch.no_grad():
            self.tokens.weight[PADDING].zero_()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids int64 [B, T] -> logits [B, classes], also for a text of padding alone."""
        real = (ids != PADDING).to(self.positions.dtype)
        mask = ((1 - real) * PADDING_SCORE)[:, None, None, :]
        x = self.drop(self.project(self.tokens(ids)) + self.positions)
        for _ in range(self.rounds):
            for block in self.blocks:
                x = block(x, mask)
        x = self.norm(x)
        if self.pooling == "cls":
            return self.head(x[:, 0])  # type: ignore[no-any-return]
        count = real.sum(dim=1, keepdim=True).clamp(min=1)
        return self.head((x * real[:, :, None]).sum(dim=1) / count)  # type: ignore[no-any-return]
