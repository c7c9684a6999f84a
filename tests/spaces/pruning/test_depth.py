"""Depth: which blocks are found, which go, and what is left."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from paretune.spaces.architecture.attention import EncoderBlock
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning.blocks import find_blocks
from paretune.spaces.pruning.depth import Depth
from paretune.spaces.rebuild import initial_candidate, rebuild

SHAPE, CLASSES = (1, 8, 8), 3


def shallower(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Depth.apply(candidate, Depth.Params(images=8, **params), context)


def residual(**params: Any) -> Candidate:
    """Blocks 3, 4, 5 of the first stage and 6, 7, 8 of the second, which begins narrower."""
    architecture = {"resnet": {"stages": 2, "width": 8, **params}}
    return initial_candidate(architecture, SHAPE, CLASSES, seed=0)


def encoder(blocks: int = 3) -> Candidate:
    torch.manual_seed(0)
    stack = nn.Sequential(*(EncoderBlock(8, 2, 16) for _ in range(blocks)))
    model = nn.Sequential(nn.Flatten(2), stack, nn.Flatten(), nn.Linear(64, CLASSES))
    return Candidate(model.eval(), (8, 2, 4), CLASSES)


@pytest.mark.parametrize("shortcut", ["projection", "padding"])
def test_blocks_of_a_resnet_are_found_and_where_a_stage_begins_stays(shortcut: str) -> None:
    found = find_blocks(residual(shortcut=shortcut).model, SHAPE)
    assert [(block.name, block.removable) for block in found] == [
        (str(place), place != 6) for place in range(3, 9)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks", "removable"),
    [("resnet18", 8, 5), ("mobilenet_v2", 17, 10), ("convnext_tiny", 18, 18)],
)
def test_blocks_of_torchvision_are_found(name: str, blocks: int, removable: int) -> None:
    """mobilenet_v2: ten of 17 inverted residuals have use_res_connect; resnet18: 8 - 3 halvings."""
    candidate = initial_candidate({"torchvision": name}, (3, 64, 64), CLASSES, seed=0)
    found = find_blocks(candidate.model, (3, 64, 64))
    assert (len(found), sum(block.removable for block in found)) == (blocks, removable)


def test_gates_are_no_blocks() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weigh = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weigh(x).sigmoid()

    model = nn.Sequential(nn.Flatten(), Gate(), nn.Linear(4, 4))
    assert find_blocks(model, (1, 2, 2)) == []


def test_one_block_of_each_stage_stays(context: Context) -> None:
    """The second stage keeps the block that begins it."""
    info = shallower(residual(), context, share=1.0).history[-1].info
    gone = {name for name, _ in info["removed"]}
    assert len(gone & {"3", "4", "5"}) == 2
    assert gone >= {"7", "8"}
    assert set(info["kept"]) == {str(n) for n in range(3, 9)} - gone


@pytest.mark.parametrize("criterion", ["similarity", "loss"])
def test_the_block_that_does_nothing_goes_first(criterion: str, context: Context) -> None:
    candidate = residual()
    with torch.no_grad():
        candidate.model[7].bn2.weight.zero_()  # type: ignore[index]
        candidate.model[7].bn2.bias.zero_()  # type: ignore[index]
        for place in (3, 4, 5, 8):
            candidate.model[place].bn2.bias.normal_()  # type: ignore[index]
    after = shallower(candidate, context, blocks=1, criterion=criterion)
    images = torch.rand(4, *SHAPE)
    if criterion == "similarity":
        assert after.history[-1].info["removed"] == [["7", False]]
        assert torch.equal(after.model(images), candidate.model(images))
    assert after.history[-1].info["worth"]["7"] == pytest.approx(0.0, abs=1e-6)


def test_the_last_ones_go_first_when_asked(context: Context) -> None:
    info = shallower(encoder(), context, blocks=2, criterion="last").history[-1].info
    assert info["removed"] == [["1.2", False], ["1.1", False]]


def test_more_blocks_leave_less(context: Context) -> None:
    sizes, macs = [], []
    for blocks in range(5):
        info = shallower(residual(), context, blocks=blocks).history[-1].info
        sizes.append(info["parameters"][1])
        macs.append(info["macs"][1])
    assert sizes == sorted(sizes, reverse=True)
    assert macs == sorted(macs, reverse=True)
    assert len(set(macs)) == 5


def test_what_is_left_rebuilds_and_runs(context: Context) -> None:
    after = shallower(residual(), context, blocks=3)
    text = json.dumps([vars(step) for step in after.history], allow_nan=False)
    fresh = rebuild([Step(**step) for step in json.loads(text)], SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), after.model(images))


def test_torch_s_encoder_layers_can_go_though_they_take_masks(context: Context) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    stack = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    model = nn.Sequential(nn.Flatten(2), stack, nn.Flatten(), nn.Linear(64, CLASSES)).eval()
    after = shallower(Candidate(model, (8, 2, 4), CLASSES), context, blocks=2, criterion="last")
    assert after.history[-1].info["removed"] == [["1.layers.2", False], ["1.layers.1", False]]
    x = torch.rand(2, 8, 2, 4)
    expected = model[3](model[1].layers[0](x.flatten(2)).flatten(1))
    assert torch.allclose(after.model(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"blocks": 5}, "blocks: 5 are to be removed, and only 4 can be; give a number up to 4"),
        ({"blocks": 3, "ignore": ["3", "7", "8"]}, "blocks: 3 are to be removed, and only 2 can be"),
        ({"blocks": 1, "ignore": ["layer9"]}, 'ignore: the network has no "layer9"'),
    ],
    ids=str,
)
def test_what_cannot_go_is_infeasible(
    params: dict[str, Any], reason: str, context: Context
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        shallower(residual(), context, **params)


def test_network_without_blocks_is_infeasible(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match="no residual block that can be left out"):
        shallower(candidate, context, share=0.5)


@pytest.mark.parametrize("params", [{}, {"blocks": 1, "share": 0.5}, {"share": 1.5}], ids=str)
def test_amounts_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Depth.Params(**params)
