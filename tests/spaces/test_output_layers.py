"""The layers whose channels are outputs of a network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from paretune.inputs import Tokens
from paretune.spaces.output_layers import float_outputs, output_layers
from paretune.spaces.pruning.unit_count import unit_count
from support.user_networks import USER_NETWORKS, Decoder


@pytest.mark.parametrize("name", USER_NETWORKS)
def test_output_layers_are_the_last_ones_with_weights(name: str) -> None:
    example = USER_NETWORKS[name]
    assert tuple(output_layers(example.make(), example.shape)) == example.outputs


def test_output_layers_leave_the_network_as_it_was() -> None:
    model = Decoder().train()
    model.embed.weight.requires_grad_(False)
    model.norm.eval()
    output_layers(model, Tokens(12, 20))
    assert model.training
    assert not model.norm.training
    assert not model.embed.weight.requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_depthwise_convolution_before_an_output_leads_to_the_layer_before_it() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, groups=6)
    )
    assert output_layers(model, (3, 8, 8)) == ["1", "3"]


def test_weight_used_by_a_function_names_its_module() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.embed = nn.Linear(4, 6), nn.Embedding(9, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(self.first(x), self.embed.weight)

    assert output_layers(Functional(), (4,)) == ["embed"]


def test_outputs_without_a_gradient_have_no_layer() -> None:
    class Best(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            best: torch.Tensor = super().forward(x).argmax(1)
            return best

    assert output_layers(Best(nn.Linear(4, 3)), (4,)) == []


def test_float_outputs_are_the_real_numbers_of_a_nest() -> None:
    boxes, scores = torch.zeros(1, 4), torch.zeros(1)
    nest = {"boxes": boxes, "labels": torch.ones(1, dtype=torch.int64), "more": (scores, None)}
    tensors = float_outputs(nest)
    assert [id(tensor) for tensor in tensors] == [id(boxes), id(scores)]


def test_unit_count_leaves_all_output_layers_out() -> None:
    example = USER_NETWORKS["two_inputs"]
    assert unit_count(example.make(), example.shape) == 12 + 16 + 16 + 24
