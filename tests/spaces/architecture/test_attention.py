"""Encoder blocks: the formula of attention, masks, and networks after heads were cut."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from paretune.spaces.architecture.attention import Attention, EncoderBlock


def by_hand(attention: Attention, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Computes softmax(Q K^T / sqrt(d) + mask) V head by head."""
    d = attention.head_dim
    heads = []
    for head in range(attention.num_heads):
        rows = slice(head * d, (head + 1) * d)
        query, key, value = (
            nn.functional.linear(x, part.weight[rows], part.bias[rows])
            for part in (attention.query, attention.key, attention.value)
        )
        scores = query @ key.transpose(1, 2) / math.sqrt(d)
        if mask is not None:
            scores = scores + mask[:, 0]
        heads.append(scores.softmax(dim=-1) @ value)
    output: torch.Tensor = attention.output(torch.cat(heads, dim=-1))
    return output


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("head_dim", [None, 5])
def test_attention_equals_its_formula(masked: bool, head_dim: int | None) -> None:
    attention = Attention(12, 3, head_dim).eval()
    x = torch.randn(2, 7, 12)
    mask = None
    if masked:
        mask = torch.zeros(2, 1, 1, 7)
        mask[1, ..., 4:] = -1e4
    assert torch.allclose(attention(x, mask), by_hand(attention, x, mask), atol=1e-5)


def test_masked_token_does_not_change_the_other_tokens() -> None:
    block = EncoderBlock(12, 3, 24).eval()
    x = torch.randn(1, 5, 12)
    other = x.clone()
    other[:, 4] += 1
    mask = torch.zeros(1, 1, 1, 5)
    mask[..., 4] = -1e4
    assert torch.equal(block(x, mask)[:, :4], block(other, mask)[:, :4])
    assert not torch.equal(block(x)[:, :4], block(other)[:, :4])


def test_attention_equals_its_formula_after_a_head_was_cut() -> None:
    attention = Attention(12, 3).eval()
    x = torch.randn(2, 7, 12)
    for name in ("query", "key", "value"):
        packed = getattr(attention, name)
        part = nn.Linear(12, 8)
        part.weight.data, part.bias.data = packed.weight.data[4:], packed.bias.data[4:]
        setattr(attention, name, part)
    output = nn.Linear(8, 12)
    output.weight.data, output.bias.data = (
        attention.output.weight.data[:, 4:],
        attention.output.bias,
    )
    attention.output = output
    assert attention.num_heads == 2
    assert torch.allclose(attention(x), by_hand(attention, x, None), atol=1e-5)


def test_block_has_the_number_of_parameters_of_its_formula() -> None:
    width, hidden = 12, 24
    size = sum(p.numel() for p in EncoderBlock(width, 3, hidden).parameters())
    assert size == 4 * (width**2 + width) + 2 * width * hidden + hidden + width + 4 * width


def test_dropout_applies_only_in_training() -> None:
    block = EncoderBlock(12, 3, 24, dropout=0.5)
    x = torch.randn(2, 7, 12)
    assert torch.equal(block.eval()(x), block(x))
    assert not torch.equal(block.train()(x), block(x))
