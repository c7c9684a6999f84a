"""The network of the family text_decoder."""

from __future__ import annotations

import torch
from torch import nn

from paretune.spaces.architecture.attention import EncoderBlock

HIDDEN_SCORE = -1e4
"""Added to the attention score of a later token: far below any other, and finite in float16."""

INITIAL_DEVIATION = 0.02
"""Standard deviation of the initial embeddings, as in GPT-2."""


class CausalTransformer(nn.Module):
    """Embeds tokens and positions, applies causal blocks, and gives scores of the next token.

    Args:
        length: Largest number of tokens of a text.
        vocabulary: Number of different tokens.
        classes: Scores of each position, usually one for each token.
        layers: Transformer blocks.
        width: Channels of each token.
        heads: Attention heads.
        hidden: Hidden units of the MLPs.
        tied: Share the weights of the token embedding and of the last layer (Press and Wolf 2017,
            https://arxiv.org/abs/1608.05859).
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
        tied: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(1, length, width))
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            EncoderBlock(width, heads, hidden, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes, bias=False)
        nn.init.normal_(self.positions, std=INITIAL_DEVIATION)
        nn.init.normal_(self.tokens.weight, std=INITIAL_DEVIATION)
        if tied:
            self.head.weight = self.tokens.weight
        later = torch.ones(length, length).triu(1) * HIDDEN_SCORE
        self.register_buffer("later", later[None, None], persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids int64 [B, T] -> scores of each position's next token, [B, T, classes]."""
        length = ids.shape[1]
        # torch.fx, which training in int8 needs, cannot follow slices of a constant.
        later = torch.narrow(self.later, 2, 0, length)  # type: ignore[arg-type]
        mask = torch.narrow(later, 3, 0, length)
        x = self.drop(self.tokens(ids) + torch.narrow(self.positions, 1, 0, length))
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x))  # type: ignore[no-any-return]
