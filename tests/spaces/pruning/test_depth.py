"""Depth pruning: which blocks are removed, and the shallower network."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from paretune.spaces.architecture.attention import EncoderBlock
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning.depth import Depth
from paretune.spaces.rebuild import initial_candidate, rebuild

SHAPE, CLASSES = (1, 8, 8), 3


def shallower(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Depth.apply(candidate, Depth.Params(images=8, **params), context)


def residual(**params: Any) -> Candidate:
    """Returns a network: blocks 3 to 5 are one stage, 6 to 8 the next; 6 changes the shape."""
    architecture = {"resnet": {"stages": 2, "width": 8, **params}}
    return initial_candidate(architecture, SHAPE, CLASSES, seed=0)


def encoder(blocks: int = 3) -> Candidate:
    torch.manual_seed(0)
    stack = nn.Sequential(*(EncoderBlock(8, 2, 16) for _ in range(blocks)))
    model = nn.Sequential(nn.Flatten(2), stack, nn.Flatten(), nn.Linear(64, CLASSES))
    return Candidate(model.eval(), (8, 2, 4), CLASSES)


def test_one_block_of_each_stage_is_kept(context: Context) -> None:
    """The second stage keeps its first block, which changes the shape."""
    info = shallower(residual(), context, share=1.0).history[-1].info
    removed = {name for name, _ in info["removed"]}
    assert len(removed & {"3", "4", "5"}) == 2
    assert removed >= {"7", "8"}
    assert set(info["kept"]) == {str(n) for n in range(3, 9)} - removed


@pytest.mark.parametrize("criterion", ["similarity", "loss"])
def test_block_without_effect_is_removed_first(criterion: str, context: Context) -> None:
    candidate = residual()
    with torch.no_grad():
        candidate.model[7].bn2.weight.zero_()  # type: ignore[index]
        candidate.model[7].bn2.bias.zero_()  # type: ignore[index]
        for index in (3, 4, 5, 8):
            candidate.model[index].bn2.bias.normal_()  # type: ignore[index]
    after = shallower(candidate, context, blocks=1, criterion=criterion)
    images = torch.rand(4, *SHAPE)
    if criterion == "similarity":
        assert after.history[-1].info["removed"] == [["7", False]]
        assert torch.equal(after.model(images), candidate.model(images))
    assert after.history[-1].info["worth"]["7"] == pytest.approx(0.0, abs=1e-6)


def test_last_blocks_are_removed_first_by_criterion_last(context: Context) -> None:
    info = shallower(encoder(), context, blocks=2, criterion="last").history[-1].info
    assert info["removed"] == [["1.2", False], ["1.1", False]]


def test_more_removed_blocks_leave_fewer_parameters_and_macs(context: Context) -> None:
    sizes, macs = [], []
    for blocks in range(5):
        info = shallower(residual(), context, blocks=blocks).history[-1].info
        sizes.append(info["parameters"][1])
        macs.append(info["macs"][1])
    assert sizes == sorted(sizes, reverse=True)
    assert macs == sorted(macs, reverse=True)
    assert len(set(macs)) == 5


def test_shallower_network_can_be_rebuilt(context: Context) -> None:
    after = shallower(residual(), context, blocks=3)
    text = json.dumps([vars(step) for step in after.history], allow_nan=False)
    fresh = rebuild([Step(**step) for step in json.loads(text)], SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), after.model(images))


def test_encoder_layers_of_torch_that_take_masks_can_be_removed(context: Context) -> None:
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
        ({"blocks": 5}, "blocks: 5 blocks cannot be removed, only 4 can; give a number up to 4"),
        (
            {"blocks": 3, "ignore": ["3", "7", "8"]},
            "blocks: 3 blocks cannot be removed, only 2 can",
        ),
        ({"blocks": 1, "ignore": ["layer9"]}, 'ignore: the network has no "layer9"'),
    ],
    ids=str,
)
def test_candidate_is_infeasible_when_blocks_cannot_be_removed(
    params: dict[str, Any], reason: str, context: Context
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        shallower(residual(), context, **params)


def test_network_without_blocks_is_infeasible(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match="no residual block that can be left out"):
        shallower(candidate, context, share=0.5)


@pytest.mark.parametrize("params", [{}, {"blocks": 1, "share": 0.5}, {"share": 1.5}], ids=str)
def test_amount_is_refused_when_missing_double_or_out_of_range(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Depth.Params(**params)
