"""torch's multi-head attention with fewer heads than its width has room for."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class NarrowAttention(nn.Module):
    """Replaces an `nn.MultiheadAttention` that loses heads.

    torch's own module cannot lose heads: their total width is always `embed_dim`, the width of the
    residual stream. Here the inner width is heads x head_dim and may differ from that width.
    Everything else is computed in the same way, and `forward` takes the same arguments.

    Args:
        attention: The attention to replace, with equal widths of query, key and value. Its weights
            are copied, its output layer is reused.
    """

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.embed_dim: int = attention.embed_dim
        self.head_dim: int = attention.embed_dim // attention.num_heads
        self.dropout = attention.dropout
        self.batch_first = attention.batch_first
        # With these values nn.TransformerEncoderLayer does not choose its fused kernel.
        self._qkv_same_embed_dim = False
        self.in_proj_bias = None
        self.query, self.key, self.value = (_third(attention, number) for number in range(3))
        self.output = attention.out_proj
        self.train(attention.training)

    @property
    def num_heads(self) -> int:
        """Number of remaining heads."""
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
        """Computes the same as `nn.MultiheadAttention.forward`.

        Returns:
            The output in the shape of the query, and the attention weights, or None if
            `need_weights` is False.

        Raises:
            ValueError: `attn_mask` has three dimensions, one mask for each original head.
        """
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
            returned = weights.mean(1) if average_attn_weights else weights
        else:
            returned = None
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
        return (out if self.batch_first else out.transpose(0, 1)), returned

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """Reshapes [B, T, heads x head_dim] to [B, heads, T, head_dim]."""
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.num_heads, self.head_dim).transpose(1, 2)

    @staticmethod
    def _mask(
        like: torch.Tensor, attention: torch.Tensor | None, padding: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Returns both masks as one that is added to the scores: 0, or minus infinity."""

        def additive(mask: torch.Tensor) -> torch.Tensor:
            if mask.dtype != torch.bool:
                return mask.to(like.dtype)
            return torch.zeros_like(mask, dtype=like.dtype).masked_fill(mask, float("-inf"))

        total: torch.Tensor | None = None
        if attention is not None:
            total = additive(attention)
            if total.ndim == 3:  # [B x heads, T, S] with the number of heads before pruning
                raise ValueError("an attention that lost heads takes no mask for each head")
        if padding is not None:
            padded = additive(padding)[:, None, None, :]
            total = padded if total is None else total + padded
        return total


def _third(attention: nn.MultiheadAttention, number: int) -> nn.Linear:
    """Returns the queries (0), keys (1) or values (2) of a packed projection as a linear layer."""
    width = attention.embed_dim
    rows = slice(number * width, (number + 1) * width)
    linear = nn.Linear(width, width, bias=attention.in_proj_bias is not None, device="meta")
    for name, packed in (("weight", attention.in_proj_weight), ("bias", attention.in_proj_bias)):
        if packed is not None:
            parameter = nn.Parameter(packed.detach()[rows].clone(), packed.requires_grad)
            setattr(linear, name, parameter)
    return linear
