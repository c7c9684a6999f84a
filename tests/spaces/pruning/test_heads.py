"""Attention that loses heads computes the same as with those heads silenced."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.architecture.attention import EncoderBlock
from paretune.spaces.pruning.heads import head_layers, remove_heads
from paretune.spaces.pruning.narrow_attention import NarrowAttention

WIDTH, HEADS = 12, 3


def silenced(attention: nn.MultiheadAttention, heads: list[int]) -> None:
    size = attention.embed_dim // attention.num_heads
    with torch.no_grad():
        for head in heads:
            attention.out_proj.weight[:, head * size : (head + 1) * size] = 0.0


MASKS: dict[str, dict[str, torch.Tensor]] = {
    "none": {},
    "causal": {"attn_mask": torch.ones(5, 5).triu(1).bool()},
    "added": {"attn_mask": torch.arange(25.0).reshape(5, 5) / 10},
    "padding": {"key_padding_mask": torch.tensor([[False] * 4 + [True]] * 2)},
    "both": {
        "attn_mask": torch.ones(5, 5).triu(1).bool(),
        "key_padding_mask": torch.tensor([[False] * 4 + [True]] * 2),
    },
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("masks", list(MASKS))
def test_attention_without_heads_equals_torch_s_with_silenced_heads(
    masks: str, batch_first: bool, bias: bool
) -> None:
    torch.manual_seed(0)
    unpruned = nn.MultiheadAttention(WIDTH, HEADS, bias=bias, batch_first=batch_first).eval()
    model = nn.ModuleDict({"it": unpruned})
    x = torch.randn(2, 5, WIDTH) if batch_first else torch.randn(5, 2, WIDTH)
    narrow = nn.ModuleDict({"it": copy.deepcopy(unpruned)})
    entry = remove_heads(narrow, "it", [0, 2])
    assert isinstance(narrow["it"], NarrowAttention)
    silenced(unpruned, [0, 2])
    options = {**MASKS[masks], "need_weights": False}
    expected = model["it"](x, x, x, **options)[0]
    assert torch.allclose(narrow["it"](x, x, x, **options)[0], expected, atol=1e-6)
    with_weights, seen = narrow["it"](x, x, x, **MASKS[masks])
    assert torch.allclose(with_weights, expected, atol=1e-6)
    assert seen.shape == (2, 5, 5)
    assert entry == ["it", "heads", [0, 2]]


def test_attention_that_lost_heads_refuses_a_mask_for_each_head() -> None:
    narrow = NarrowAttention(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    x = torch.zeros(1, 5, WIDTH)
    with pytest.raises(ValueError, match="lost heads takes no mask for each head"):
        narrow(x, x, x, attn_mask=torch.zeros(HEADS, 5, 5))


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer_of_torch_runs_with_fewer_heads(norm_first: bool) -> None:
    """In evaluation mode it would otherwise use a fused kernel for torch's own attention only."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 16, batch_first=True, norm_first=norm_first
    ).eval()
    x = torch.randn(2, 5, WIDTH)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    model = nn.ModuleDict({"layer": layer})
    remove_heads(model, "layer.self_attn", [1])
    narrow = layer(x)
    again = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True, norm_first=norm_first)
    again.load_state_dict(before)
    silenced(again.self_attn, [1])
    with torch.no_grad():
        assert torch.allclose(narrow, again.eval()(x), atol=1e-6)


def test_heads_of_encoder_blocks_are_removed() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(EncoderBlock(WIDTH, HEADS, 8), EncoderBlock(WIDTH, HEADS, 8))
    x = torch.randn(2, 5, WIDTH)
    first: Any = model[0]
    assert [(layer.name, layer.units) for layer in head_layers(model, ["1"])] == [
        ("0.attention", HEADS)
    ]
    with torch.no_grad():
        first.attention.output.weight[:, 4:8] = 0.0
    expected = model(x)
    remove_heads(model, "0.attention", [1])
    assert first.attention.num_heads == HEADS - 1
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_attention_with_extra_keys_is_not_pruned() -> None:
    odd = [
        nn.MultiheadAttention(WIDTH, HEADS, add_bias_kv=True),
        nn.MultiheadAttention(WIDTH, HEADS, add_zero_attn=True),
        nn.MultiheadAttention(WIDTH, HEADS, kdim=8),
    ]
    assert head_layers(nn.ModuleList(odd), []) == []
