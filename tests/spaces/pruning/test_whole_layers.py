"""Layers that structured pruning cuts as units, and layers that it leaves whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.pruning.layer_names import prunable_layer_names
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.pruning.whole_layers import whole_layers
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.twin import accepted

SHAPE, CLASSES = (1, 6, 6), 3


def made(name: str, **args: Any) -> Candidate:
    factory = {"factory": f"support.coupled_networks:{name}", "args": args}
    return initial_candidate({"python": factory}, SHAPE, CLASSES, seed=0)


def halved(candidate: Candidate, **params: Any) -> Candidate:
    options = Structured.Params(**{"ratio": 0.5, "round_to": 1, **params})
    after = Structured.apply(candidate, options, Context(None))  # type: ignore[arg-type]
    return accepted(candidate, after, "structured")


def sizes(candidate: Candidate) -> dict[str, list[int]]:
    return {
        name: list(module.weight.shape[:2])  # type: ignore[union-attr]
        for name, module in candidate.model.named_modules()
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
    }


@pytest.mark.parametrize("how", ["attribute", "size"])
def test_features_that_become_a_channel_are_one_unit(how: str) -> None:
    """Half of the 12 channels stay: 6 * 3 * 3 rows of the linear layer."""
    after = halved(made("Decoder", how=how))
    assert sizes(after) == {
        "first": [4, 1],
        "code": [54, 4 * 36],
        "up": [6, 4],
        "out": [4, 1],  # [in, out / groups] of a transposed convolution with 4 groups
        "head": [3, 4],
    }
    assert after.history[-1].info["kept_whole"] == {}


@pytest.mark.parametrize("how", ["number", "module"])
def test_features_stay_when_a_number_of_channels_reshapes_them(how: str) -> None:
    candidate = made("Decoder", how=how)
    after = halved(candidate)
    assert sizes(after)["code"] == [108, 4 * 36]
    reason = after.history[-1].info["kept_whole"]["code"]
    assert reason.startswith("`forward` reshapes its channels by fixed numbers")
    if how == "number":
        assert "(coupled_networks.py, line " in reason


@pytest.mark.parametrize(("by_number", "kept"), [(True, 12), (False, 6)])
def test_halves_are_cut_alike_unless_a_number_slices_them(by_number: bool, kept: int) -> None:
    after = halved(made("Sliced", by_number=by_number))
    assert sizes(after)["expand"] == [kept, 4]
    assert sizes(after)["depthwise"] == [kept, 1]
    assert sizes(after)["reduce"] == [4, kept // 2]
    whole = after.history[-1].info["kept_whole"]
    assert list(whole) == (["expand"] if by_number else [])
    assert all(reason.startswith("`forward` slices its channels") for reason in whole.values())


def test_branches_of_one_group_normalization_stay_and_other_layers_are_cut() -> None:
    after = halved(made("NormalizedTogether"))
    assert {name: size[0] for name, size in sizes(after).items()} == {
        "stem": 4,
        "wide": 16,
        "narrow": 8,
        "out": 4,
        "head": 3,
    }
    reason = "a group normalization joins its channels with those of another layer"
    assert after.history[-1].info["kept_whole"] == {"wide": reason, "narrow": reason}


def test_network_is_infeasible_when_a_weight_used_twice_couples_all_layers() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"prune: embed \(up.weight is used twice\)$"):
        halved(made("TiedDecoder"))


def test_weight_of_two_modules_stays_one_weight() -> None:
    after = halved(made("SharedWeight"))
    assert after.model.left.weight is after.model.right.weight
    assert sizes(after)["free"] == [4, 8]
    whole = after.history[-1].info["kept_whole"]
    assert whole["stem"] == "left.weight is used twice"
    assert whole["right"] == "right.weight is used twice"


def test_module_that_is_called_twice_is_cut_on_both_sides() -> None:
    assert sizes(halved(made("CalledTwice"))) == {"stem": [4, 1], "conv": [4, 4], "head": [3, 4]}


def test_channels_go_through_pixel_shuffle_and_gated_linear_unit() -> None:
    after = halved(made("Enlarged"))
    assert sizes(after) == {"stem": [12, 1], "mixed": [8, 3], "head": [3, 4]}
    assert after.model.slopes.num_parameters == 3


def test_ratio_of_a_whole_layer_is_infeasible_and_says_why() -> None:
    with pytest.raises(InfeasibleCandidate, match="per_layer: expand cannot lose channels: `forwa"):
        halved(made("Sliced", by_number=True), ratio=None, per_layer={"expand": 0.5})


def test_prunable_layer_names_have_no_whole_layer() -> None:
    architecture = made("Sliced", by_number=True).history[0].params["architecture"]
    assert prunable_layer_names(architecture, SHAPE, CLASSES) == ["stem"]


def test_ignored_layers_are_not_tried() -> None:
    model = made("Sliced", by_number=True).model
    assert whole_layers(model, SHAPE, ["expand"]) == {}
    assert list(whole_layers(model, SHAPE)) == ["expand"]


def test_trial_leaves_weights_gradients_and_random_state_alone() -> None:
    model = made("Decoder").model
    model.head.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    whole_layers(model, SHAPE)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == [
        "head.weight",
        "head.bias",
    ]
    assert torch.equal(state, torch.get_rng_state())


def test_branch_of_a_layer_keeps_at_least_one_channel() -> None:
    """A residual sum couples the concatenated branches; the first one is the least important."""
    candidate = made("Branches")
    with torch.no_grad():
        candidate.model.left.weight.mul_(1e-3)
        candidate.model.right.weight.mul_(1e3)
    after = halved(candidate)
    kept = sizes(after)
    assert kept["left"][0] == 1
    assert kept["left"][0] + kept["right"][0] == kept["mixed"][0] == 6


@pytest.mark.parametrize("channels", [3, 5, 7])
def test_layer_with_an_odd_number_of_channels_keeps_one_when_it_is_tried(channels: int) -> None:
    for number in range(8):  # the name of a layer decides how many channels its trial removes
        network = nn.Sequential()
        network.add_module(f"first{number}", nn.Conv2d(3, channels, 1))
        network.add_module("last", nn.Conv2d(channels, 4, 1))
        assert whole_layers(network, (3, 8, 8)) == {}
