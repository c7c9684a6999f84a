"""torch's multi-head attention with fewer heads than its width has room for."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class NarrowAttention(nn.Module):
    """What takes the place of an `nn.MultiheadAttention` that loses heads.

    torch's own cannot lose any: its heads always share `embed_dim`, which is the width of the
    residual stream. Here the inner width is heads x head_dim, whatever the stream's is; everything
    else is computed as there, and the arguments of `forward` are the same.

    Args:
        whole: The attention that is replaced, with equal query, key and value widths; its weights
            are taken over.
    """

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        self.embed_dim: int = whole.embed_dim
        self.head_dim: int = whole.embed_dim // whole.num_heads
        self.dropout = whole.dropout
        self.batch_first = whole.batch_first
        # What nn.TransformerEncoderLayer looks at before it takes a fused kernel for torch's own
        self._qkv_same_embed_dim = False
        self.in_proj_bias = None
        self.query, self.key, self.value = (_third(whole, number) for number in range(3))
        self.output = whole.out_proj
        self.train(whole.training)

    @property
    def num_heads(self) -> int:
        """The heads that are left."""
        return int(self.query.out_features) // self.head_dim

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `nn.MultiheadAttention.forward`; attention weights are given only when asked for."""
        inputs = (query, key, value)
        if not self.batch_first:
            inputs = tuple(x.transpose(0, 1) for x in inputs)  # type: ignore[assignment]
        parts = zip((self.query, self.key, self.value), inputs, strict=True)
        q, k, v = (self._split(linear(x)) for linear, x in parts)
        mask = self._mask(q, attn_mask, key_padding_mask)
        if need_weights:
            scores = q @ k.transpose(2, 3) * self.head_dim**-0.5
            weights = (scores if mask is None else scores + mask).softmax(3)
            mixed = functional.dropout(weights, self.dropout, self.training) @ v
            seen = weights.mean(1) if average_attn_weights else weights
        else:
            seen = None
            mixed = functional.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=mask,
                dropout_p=self.dropout if self.training else 0.0,
                scale=self.head_dim**-0.5,
            )
        batch, _, length, _ = mixed.shape
        inner = self.num_heads * self.head_dim
        out = self.output(mixed.transpose(1, 2).reshape(batch, length, inner))
        return (out if self.batch_first else out.transpose(0, 1)), seen

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """[B, T, heads x head_dim] -> [B, heads, T, head_dim]."""
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.num_heads, self.head_dim).transpose(1, 2)

    @staticmethod
    def _mask(
        like: torch.Tensor, attention: torch.Tensor | None, padding: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Both masks as one that is added to the scores: 0, or minus infinity."""

        def added(mask: torch.Tensor) -> torch.Tensor:
            if mask.dtype != torch.bool:
                return mask.to(like.dtype)
            return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))

        found: torch.Tensor | None = None
        if attention is not None:
            found = added(attention)
            if found.ndim == 3:  # [B x heads, T, S], of which heads were cut
                raise ValueError("an attention that lost heads takes no mask for each head")
        if padding is not None:
            padded = added(padding)[:, None, None, :]
            found = padded if found is None else found + padded
        return found


def _third(whole: nn.MultiheadAttention, number: int) -> nn.Linear:
    """Queries (0), keys (1) or values (2) of a packed projection as a layer of its own."""
    width = whole.embed_dim
    rows = slice(number * width, (number + 1) * width)
    linear = nn.Linear(width, width, bias=whole.in_proj_bias is not None, device="meta")
    for name, packed in (("weight", whole.in_proj_weight), ("bias", whole.in_proj_bias)):
        if packed is not None:
            own = nn.Parameter(packed.detach()[rows].clone(), packed.requires_grad)
            setattr(linear, name, own)
    return linear
