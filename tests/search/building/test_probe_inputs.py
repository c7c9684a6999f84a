"""Probe inputs differ in content, and weights are spread so that every part shows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.search.building.probe_inputs import probe_inputs, sample
from paretune.search.building.spread_weights import spread_weights
from paretune.spaces.rebuild import initial_candidate
from support import odd_networks as odd


def inputs_of(text: bool = False) -> Any:
    data: Any = odd.OddData(text)
    return probe_inputs(sample(data).inputs, data)


def test_images_range_from_black_to_white() -> None:
    inputs = inputs_of()
    means = dict(zip(inputs.labels, inputs.examples.flatten(1).mean(1).tolist(), strict=True))
    assert means["a black image"] == pytest.approx(-1.0)
    assert means["a white image"] == pytest.approx(2.5)
    assert means["the darkest image"] < means["an image"] < means["the brightest image"]
    assert means["darkened"] < 0 < means["brightened"]
    assert inputs.examples.min() >= -1.001
    assert inputs.examples.max() <= 2.501


def test_texts_range_from_one_token_to_no_padding() -> None:
    inputs = inputs_of(text=True)
    lengths = dict(zip(inputs.labels, (inputs.examples != 0).sum(1).tolist(), strict=True))
    assert lengths["one token"] == 1
    assert lengths["a text without padding"] == odd.TEXT[0]
    assert inputs.examples.dtype == torch.int64
    assert inputs.examples.min() >= 0
    assert inputs.examples.max() < odd.TEXT[1]


@pytest.mark.parametrize("text", [False, True])
def test_batches_have_one_two_and_five_examples(text: bool) -> None:
    inputs = inputs_of(text)
    batches = list(inputs.batches)
    assert {len(batch) for batch in batches} == {1, 2, 5}
    assert len({batch for batch in batches if len(batch) == 1}) == len(inputs.labels)


def test_batch_is_a_copy() -> None:
    inputs = inputs_of()
    inputs.batch((0, 1)).zero_()
    assert inputs.examples[0].abs().sum() > 0


@pytest.mark.parametrize("name", ["simple_cnn", "resnet", "mobilenet_v3", "vit"])
def test_spread_weights_make_outputs_of_examples_differ_by_about_one(name: str) -> None:
    model = initial_candidate({name: {}}, (1, 8, 8), 10, seed=0).model
    inputs = inputs_of()
    spread_weights(model, inputs.examples)
    with torch.no_grad():
        deviation = model(inputs.examples).std(0).mean()
    assert 0.2 < deviation < 5


def test_layer_scale_and_zero_layers_do_not_hide_a_branch() -> None:
    class Hidden(odd.Base):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.full((10,), 1e-6))
            nn.init.zeros_(self.last.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale * self.head(x)

    model = Hidden().eval()
    inputs = inputs_of()
    spread_weights(model, inputs.examples)
    with torch.no_grad():
        assert model(inputs.examples).std(0).mean() > 0.01


def test_weights_stay_if_spread_ones_give_no_finite_outputs() -> None:
    class Fragile(odd.Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = self.head(x)
            return logits / (self.last.bias.abs().max() < 1e-9)

    model = Fragile().eval()
    nn.init.zeros_(model.last.bias)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    spread_weights(model, inputs_of().examples)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_spreading_leaves_buffers_as_they_were() -> None:
    class Counting(odd.RunningMean):
        pass

    model = Counting().eval()
    spread_weights(model, inputs_of().examples)
    assert float(model.mean) == 0.0
