"""The order of channels and blocks, and what cannot be arranged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import arrangement_of, space_of
from paretune.spaces.elastic.arranging import arranged
from paretune.spaces.elastic.spec import ElasticSpec
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild

Arrange = Callable[[str], Candidate]


def test_arranging_keeps_the_network(arrange: Arrange) -> None:
    candidate = arrange("cnn")
    again = rebuild(candidate.history, candidate.shape, candidate.outputs)
    assert again.state_dict().keys() == candidate.model.state_dict().keys()
    assert candidate.history[-1].technique == "elastic"


def test_dimensions_are_widths_depths_and_resolution(arrange: Arrange) -> None:
    space = space_of(arrange("resnet"))
    assert list(space.dimensions) == ["width.1", "width.2", "depth.1", "depth.2", "resolution"]
    assert space.dimensions["depth.1"] == (1.0, 2.0)
    assert space.dimensions["resolution"] == (6.0, 8.0)
    assert all(values[-1] == 1 for name, values in space.dimensions.items() if "width" in name)


def test_channels_stay_in_the_order_of_the_criterion(
    candidate: Candidate, context: Context
) -> None:
    with torch.no_grad():
        candidate.model[7].weight[5] *= 100  # type: ignore[index,union-attr]
        candidate.model[7].weight[9] *= 0.01  # type: ignore[index,union-attr]
    orders = arrangement_of(arranged(candidate, ElasticSpec(), context)).orders
    assert orders["7"][-1] == 5
    assert orders["7"][0] == 9


def test_equal_widths_are_one_value(candidate: Candidate, context: Context) -> None:
    space = space_of(arranged(candidate, ElasticSpec(round_to=8), context))
    assert space.dimensions == {"width.1": (0.5, 1.0), "width.2": (0.25, 0.5, 0.75, 1.0)}
    assert space.members["width.1"] == ("3",)  # the first layer has 8 channels


def test_widths_have_as_many_channels_as_pruning_by_that_ratio(
    candidate: Candidate, context: Context
) -> None:
    arrangement = arrangement_of(arranged(candidate, ElasticSpec(groups=1), context))
    pruned = Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=4), context)
    channels = pruned.history[-1].info["channels"]
    staying = arrangement.units({"width.1": 0.5})
    assert staying == {name: after for name, (_, after) in channels.items()}


def test_names_in_keep_and_ignore_stay_whole(candidate: Candidate, context: Context) -> None:
    candidate = replace(candidate, keep=("9",))
    space = space_of(arranged(candidate, ElasticSpec(ignore=["3"]), context))
    assert [name for names in space.members.values() for name in names] == ["0"]


class OneLayer(nn.Sequential):
    """Its only layer gives the outputs."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 3))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, "found no layer it can prune"),
        ({"ignore": ["nothing"]}, "nothing"),
        ({"width": None, "depth": {}}, "no residual block that can be left out"),
        ({"width": None, "resolution": [6]}, "fixed size of images, 6 pixels do not run"),
        ({"width": None, "resolution": [6, 16]}, "give sides below 8, not 16"),
    ],
)
def test_network_without_anything_elastic_is_refused(
    context: Context, spec: dict[str, object], reason: str
) -> None:
    candidate = Candidate(OneLayer().eval(), (1, 8, 8), 3)  # type: ignore[arg-type]
    with pytest.raises(InfeasibleCandidate, match=reason):
        arranged(candidate, ElasticSpec.model_validate(spec), context)


def test_too_few_channels_for_round_to_are_refused(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match=r"round_to: 64.* 32 channels at most"):
        arranged(candidate, ElasticSpec(round_to=64), context)


def test_resolution_of_texts_is_refused(arrange: Arrange, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match=r"only images of one size.*6 tokens of 20"):
        arranged(arrange("text"), ElasticSpec(width=None, resolution=[6]), context)


def test_depth_that_leaves_no_choice_is_refused(context: Context) -> None:
    candidate = initial_candidate({"resnet": {"width": 4, "blocks": 2}}, (1, 8, 8), 3, 0)
    spec = ElasticSpec(width=None, depth={"least": 1.0, "criterion": "last"})  # type: ignore[arg-type]
    with pytest.raises(InfeasibleCandidate, match=r"least: 1; .* give a smaller least"):
        arranged(candidate, spec, context)


def test_network_without_arrangement_has_no_space(candidate: Candidate) -> None:
    with pytest.raises(InfeasibleCandidate, match="this network is none"):
        space_of(candidate)


def test_network_changed_after_its_arrangement_has_no_space(
    arrange: Arrange, context: Context
) -> None:
    pruned = Structured.apply(arrange("cnn"), Structured.Params(ratio=0.5), context)
    with pytest.raises(InfeasibleCandidate, match="structured changed this one"):
        space_of(pruned)
