"""Structured pruning: what goes, how much, and what cannot."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from spaces.base import Candidate, Context, Data, InfeasibleCandidate
from spaces.pruning.structured import Structured
from spaces.rebuild import rebuild, start

SHAPE, CLASSES = (1, 8, 8), 3

NETWORKS: dict[str, dict[str, Any]] = {
    "simple_cnn": {"simple_cnn": {"width": 0.25}},
    "separable_cnn": {"separable_cnn": {"width": 0.25}},
    "resnet": {"resnet": {"blocks": 1, "width": 12, "stages": 2}},
    "gate": {"python": "user_nets:Gate"},
    "dense": {"python": {"factory": "user_nets:Dense"}},
    "grouped_by_2": {
        "python": {"factory": "user_nets:grouped", "args": {"groups": 2, "channels": 24}}
    },
    "grouped_by_3": {
        "python": {"factory": "user_nets:grouped", "args": {"groups": 3, "channels": 24}}
    },
    "normalized": {
        "python": {"factory": "user_nets:normalized", "args": {"groups": 4, "channels": 32}}
    },
}


@cache
def network(name: str) -> Candidate:
    """Pruning leaves its input alone, so one of each will do."""
    return start(NETWORKS[name], SHAPE, CLASSES, seed=0)


def pruned(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Structured.apply(candidate, Structured.Params(**params), context)


def size_of(candidate: Candidate) -> int:
    return sum(p.numel() for p in candidate.model.parameters())


def widths(model: nn.Module) -> dict[str, int]:
    return {
        name: len(module.weight)
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


# -- properties --------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(NETWORKS))
CRITERIA = st.sampled_from(["magnitude", "l1", "lamp", "random"])
SCOPES = st.sampled_from(["uniform", "global"])
RATIOS = st.one_of(st.floats(0, 0.999), st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.999]))
ROUNDINGS = st.sampled_from([1, 2, 3, 4, 8, 100])


@settings(deadline=None, max_examples=60)
@given(NAMES, CRITERIA, SCOPES, ROUNDINGS, RATIOS, RATIOS)
def test_more_ratio_never_gives_more_parameters(
    data: Data, name: str, criterion: str, scope: str, round_to: int, one: float, other: float
) -> None:
    context = Context(data)
    less, more = (
        pruned(
            network(name),
            context,
            ratio=ratio,
            criterion=criterion,
            scope=scope,
            round_to=round_to,
        )
        for ratio in sorted((one, other))
    )
    assert size_of(network(name)) >= size_of(less) >= size_of(more)
    kept = widths(more.model)
    assert all(kept[layer] <= width for layer, width in widths(less.model).items())


@settings(deadline=None, max_examples=60)
@given(NAMES, CRITERIA, SCOPES, ROUNDINGS, RATIOS)
def test_channels_stay_a_multiple_and_never_fall_below_one(
    data: Data, name: str, criterion: str, scope: str, round_to: int, ratio: float
) -> None:
    before = widths(network(name).model)
    candidate = pruned(
        network(name),
        Context(data),
        ratio=ratio,
        criterion=criterion,
        scope=scope,
        round_to=round_to,
    )
    after = widths(candidate.model)
    assert list(after) == list(before)
    for layer, width in after.items():
        assert 1 <= width <= before[layer]
        assert width == before[layer] or width % round_to == 0
    said = {n: [before[n], after[n]] for n in before if before[n] != after[n]}
    info = candidate.history[-1].info
    assert info["channels"] == said
    assert info["parameters"] == [size_of(network(name)), size_of(candidate)]


# -- how much ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ({"simple_cnn": {"width": 1.0}}, {"simple_cnn": {"width": 0.5}}),
        ({"separable_cnn": {"width": 1.0}}, {"separable_cnn": {"width": 0.5}}),
        ({"resnet": {"width": 16}}, {"resnet": {"width": 8}}),
    ],
    ids=["simple_cnn", "separable_cnn", "resnet"],
)
@pytest.mark.parametrize("criterion", ["magnitude", "lamp"])
def test_half_of_a_network_is_the_network_of_half_the_width(
    wide: dict[str, Any], narrow: dict[str, Any], criterion: str, context: Context
) -> None:
    """The layer before the last one included: only the logits themselves stay."""
    half = pruned(start(wide, SHAPE, CLASSES, 0), context, ratio=0.5, criterion=criterion)
    assert widths(half.model) == widths(start(narrow, SHAPE, CLASSES, 0).model)
    assert size_of(half) == size_of(start(narrow, SHAPE, CLASSES, 0))


def test_nothing_goes_when_the_ratio_is_zero(candidate: Candidate, context: Context) -> None:
    same = pruned(candidate, context, ratio=0.0)
    images = torch.rand(4, *SHAPE)
    assert same.history[-1].info["removed"] == []
    assert torch.equal(same.model(images), candidate.model(images))


def test_one_ranking_over_all_layers_takes_more_where_less_matters(context: Context) -> None:
    """Of the first layer's channels all matter alike, of the second's only one does."""
    candidate = two_layers()
    convolution = candidate.model[3]  # type: ignore[index]
    with torch.no_grad():
        convolution.weight.fill_(0.01)
        convolution.weight[5].fill_(10.0)
    after = pruned(candidate, context, ratio=0.4, round_to=1, scope="global")
    kept = widths(after.model)
    assert (kept["0"], kept["3"]) == (8, 1)
    uniform = widths(pruned(candidate, context, ratio=0.4, round_to=1).model)
    assert (uniform["0"], uniform["3"]) == (4, 4)


# -- what --------------------------------------------------------------------------------------


def two_layers() -> Candidate:
    """Two convolutions of 8 channels, whose weights are all one."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, CLASSES),
    )
    with torch.no_grad():
        for index in (0, 3, 6):
            model[index].weight.fill_(1.0)
    return Candidate(model.eval(), SHAPE, CLASSES)


@pytest.mark.parametrize("criterion", ["magnitude", "l1", "lamp"])
def test_the_weakest_channels_go(criterion: str, context: Context) -> None:
    candidate = two_layers()
    strength = torch.tensor([4.0, 9.0, 1.0, 7.0, 2.0, 8.0, 3.0, 6.0])
    with torch.no_grad():
        candidate.model[0].weight *= strength[:, None, None, None]  # type: ignore[index]
    after = pruned(candidate, context, ratio=0.5, round_to=1, criterion=criterion)
    first = after.model[0].weight  # type: ignore[index]
    assert sorted(first[:, 0, 0, 0].tolist()) == [6.0, 7.0, 8.0, 9.0]


def test_the_random_criterion_follows_the_seed(data: Data, candidate: Candidate) -> None:
    def removed(seed: int) -> Any:
        context = Context(data, seed=seed)
        after = pruned(candidate, context, ratio=0.5, round_to=1, criterion="random")
        return after.history[-1].info["removed"]

    assert removed(0) == removed(0) != removed(1)


def test_two_prunings_rebuild_one_after_the_other(candidate: Candidate, context: Context) -> None:
    once = pruned(candidate, context, ratio=0.25, round_to=1)
    twice = pruned(once, context, ratio=0.5, round_to=1, criterion="l1")
    assert size_of(candidate) > size_of(once) > size_of(twice)
    fresh = rebuild(twice.history, SHAPE, CLASSES)
    fresh.load_state_dict(twice.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), twice.model(images))


@pytest.mark.slow  # the first trace of a transformer imports half of torch
def test_transformer_loses_hidden_widths_and_keeps_its_residual_stream(context: Context) -> None:
    candidate = start({"python": "user_nets:transformer"}, (3, 8, 8), CLASSES, seed=0)
    after = pruned(candidate, context, ratio=0.5, round_to=4)
    changed = after.history[-1].info["channels"]
    assert changed == {f"encoder.layers.encoder_layer_{i}.mlp.0": [32, 16] for i in range(2)}


# -- what cannot be pruned ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ({"python": "user_nets:linear"}, "structured pruning found no layer it can prune"),
        ({"python": "user_nets:Reshaping"}, "cannot prune this network: RuntimeError"),
        ({"torchvision": "shufflenet_v2_x0_5"}, "cannot prune this network: ZeroDivisionError"),
    ],
    ids=["linear", "reshape", "shuffle"],
)
def test_network_that_cannot_be_pruned_is_infeasible(
    architecture: dict[str, Any], reason: str, context: Context
) -> None:
    candidate = start(architecture, SHAPE, CLASSES, seed=0)
    with pytest.raises(InfeasibleCandidate, match=reason):
        pruned(candidate, context, ratio=0.5)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ratio": 1.0},
        {"ratio": -0.1},
        {"ratio": 0.5, "round_to": 0},
        {"ratio": 0.5, "scope": 1},
    ],
    ids=str,
)
def test_params_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Structured.Params(**params)


def test_frozen_weights_stay_frozen() -> None:
    import torch

    from spaces.architecture.network import build_network
    from spaces.base import Candidate, Context
    from spaces.pruning.structured import Structured

    model = build_network({"simple_cnn": {"width": 0.125}}, (1, 8, 8), 10, 0)
    first = next(iter(dict(model.named_parameters())))
    model.get_parameter(first).requires_grad_(False)
    candidate = Candidate(model, (1, 8, 8), 10, ())
    params = Structured.Params(ratio=0.5, round_to=1)
    pruned = Structured.apply(candidate, params, Context(data=None))  # type: ignore[arg-type]
    assert not pruned.model.get_parameter(first).requires_grad
    assert sum(not p.requires_grad for p in pruned.model.parameters()) == 1
    assert isinstance(pruned.model, torch.nn.Module)
