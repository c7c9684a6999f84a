"""Structured pruning: which units go, how many, and which networks cannot be pruned."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from paretune.spaces.base import Candidate, Context, Data, EpochEnd, InfeasibleCandidate
from paretune.spaces.macs import count_macs
from paretune.spaces.pruning.criteria import FORMULAS
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild

SHAPE, CLASSES = (1, 8, 8), 3

NETWORKS: dict[str, dict[str, Any]] = {
    "simple_cnn": {"simple_cnn": {"width": 0.125}},
    "separable_cnn": {"separable_cnn": {"width": 0.25}},
    "resnet": {"resnet": {"blocks": 1, "width": 12, "stages": 2}},
    "padded": {"resnet": {"blocks": 1, "width": 8, "stages": 2, "shortcut": "padding"}},
    "transformer": {"python": "user_nets:transformer"},
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
    """Returns the network of a name. All tests share it: pruning does not change its input."""
    shape = (3, 8, 8) if name == "transformer" else SHAPE
    return initial_candidate(NETWORKS[name], shape, CLASSES, seed=0)


def pruned(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    params = {"images": 8, **params}
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
NORMALIZED = ("grouped_by_2", "grouped_by_3", "padded", "resnet", "separable_cnn")
CRITERIA = st.sampled_from([*FORMULAS, "random"])
SCOPES = st.sampled_from(["uniform", "global", "sensitivity"])
RATIOS = st.one_of(st.floats(0, 0.999), st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.999]))
ROUNDINGS = st.sampled_from([1, 2, 3, 4, 8, 100])


def examples_for(name: str, data: Data) -> Context:
    return Context(Colour(data) if name == "transformer" else data)  # type: ignore[arg-type]


class Colour:
    """Grey images in three channels, for networks that need colour images."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def batches(self, *args: Any, **options: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, labels in self._data.batches(*args, **options):
            yield images.expand(-1, 3, -1, -1), labels


@settings(deadline=None, max_examples=30)
@given(NAMES, CRITERIA, SCOPES, ROUNDINGS, RATIOS, RATIOS)
def test_higher_ratio_never_gives_more_parameters(
    data: Data, name: str, criterion: str, scope: str, round_to: int, one: float, other: float
) -> None:
    assume(criterion != "bn_scale" or name in NORMALIZED)
    context = examples_for(name, data)
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
    assert all(kept.get(layer, 0) <= width for layer, width in widths(less.model).items())


@settings(deadline=None, max_examples=30)
@given(NAMES.filter(lambda name: name != "transformer"), CRITERIA, SCOPES, ROUNDINGS, RATIOS)
def test_kept_channels_are_a_multiple_and_at_least_one(
    data: Data, name: str, criterion: str, scope: str, round_to: int, ratio: float
) -> None:
    assume(criterion != "bn_scale" or name in NORMALIZED)
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
    expected = {n: [before[n], after[n]] for n in before if before[n] != after[n]}
    info = candidate.history[-1].info
    assert info["channels"] == expected
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
def test_half_of_a_network_equals_the_network_of_half_the_width(
    wide: dict[str, Any], narrow: dict[str, Any], criterion: str, context: Context
) -> None:
    """This includes the layer before the last one; only the logits stay."""
    half = pruned(
        initial_candidate(wide, SHAPE, CLASSES, 0), context, ratio=0.5, criterion=criterion
    )
    assert widths(half.model) == widths(initial_candidate(narrow, SHAPE, CLASSES, 0).model)
    assert size_of(half) == size_of(initial_candidate(narrow, SHAPE, CLASSES, 0))


def test_nothing_is_removed_when_the_ratio_is_zero(candidate: Candidate, context: Context) -> None:
    same = pruned(candidate, context, ratio=0.0)
    images = torch.rand(4, *SHAPE)
    assert same.history[-1].info["removed"] == []
    assert torch.equal(same.model(images), candidate.model(images))


def test_global_scope_removes_more_from_the_less_important_layer(context: Context) -> None:
    """All channels of the first layer are equally important; in the second only one is."""
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


# -- which units go ---------------------------------------------------------------------------


def two_layers() -> Candidate:
    """Returns two convolutions of 8 channels with all weights 1."""
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
def test_weakest_channels_are_removed(criterion: str, context: Context) -> None:
    candidate = two_layers()
    strength = torch.tensor([4.0, 9.0, 1.0, 7.0, 2.0, 8.0, 3.0, 6.0])
    with torch.no_grad():
        candidate.model[0].weight *= strength[:, None, None, None]  # type: ignore[index]
    after = pruned(candidate, context, ratio=0.5, round_to=1, criterion=criterion)
    first = after.model[0].weight  # type: ignore[index]
    assert sorted(first[:, 0, 0, 0].tolist()) == [6.0, 7.0, 8.0, 9.0]


def test_random_criterion_depends_on_the_seed(data: Data, candidate: Candidate) -> None:
    def removed(seed: int) -> Any:
        context = Context(data, seed=seed)
        after = pruned(candidate, context, ratio=0.5, round_to=1, criterion="random")
        return after.history[-1].info["removed"]

    assert removed(0) == removed(0) != removed(1)


def test_network_pruned_twice_can_be_rebuilt(candidate: Candidate, context: Context) -> None:
    once = pruned(candidate, context, ratio=0.25, round_to=1)
    twice = pruned(once, context, ratio=0.5, round_to=1, criterion="l1")
    assert size_of(candidate) > size_of(once) > size_of(twice)
    fresh = rebuild(twice.history, SHAPE, CLASSES)
    fresh.load_state_dict(twice.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), twice.model(images))


@pytest.mark.slow  # the first trace of a transformer imports half of torch
def test_transformer_loses_hidden_widths_and_keeps_its_residual_stream(context: Context) -> None:
    candidate = initial_candidate({"python": "user_nets:transformer"}, (3, 8, 8), CLASSES, seed=0)
    after = pruned(candidate, context, ratio=0.5, round_to=4)
    info = after.history[-1].info
    name = "encoder.layers.encoder_layer_{}.{}"
    assert info["channels"] == {name.format(i, "mlp.0"): [32, 16] for i in range(2)}
    assert info["heads"] == {name.format(i, "self_attention"): [2, 1] for i in range(2)}


# -- what cannot be pruned ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ({"python": "user_nets:linear"}, "structured pruning found no layer it can prune"),
        (
            {"python": "user_nets:Reshaping"},
            r"no layer it can prune: first \(`forward` reshapes its channels by fixed numbers "
            r"\(user_nets.py, line \d+\)\)",
        ),
    ],
    ids=["linear", "reshape"],
)
def test_network_that_cannot_be_pruned_is_infeasible(
    architecture: dict[str, Any], reason: str, context: Context
) -> None:
    candidate = initial_candidate(architecture, SHAPE, CLASSES, seed=0)
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


def test_frozen_weights_stay_frozen(candidate: Candidate, context: Context) -> None:
    first = next(iter(dict(candidate.model.named_parameters())))
    candidate.model.get_parameter(first).requires_grad_(False)
    after = pruned(candidate, context, ratio=0.5, round_to=1)
    assert not after.model.get_parameter(first).requires_grad
    assert sum(not p.requires_grad for p in after.model.parameters()) == 1


# -- a target in multiply-adds -----------------------------------------------------------------


@pytest.mark.parametrize("scope", ["uniform", "global", "sensitivity"])
@pytest.mark.parametrize("share", [0.8, 0.47, 0.25])
@pytest.mark.parametrize(
    "architecture",
    [
        {"simple_cnn": {"width": 0.5}},
        {"separable_cnn": {"width": 0.25}},
        {"resnet": {"blocks": 1, "shortcut": "padding"}},
    ],
    ids=lambda architecture: next(iter(architecture)),
)
def test_target_in_macs_is_met_within_2_percent(
    architecture: dict[str, Any], share: float, scope: str, context: Context
) -> None:
    candidate = initial_candidate(architecture, SHAPE, CLASSES, seed=0)
    after = pruned(candidate, context, macs=share, scope=scope, round_to=2)
    dense = count_macs(candidate.model, candidate.shape)
    reached = count_macs(after.model, candidate.shape)
    assert abs(reached / dense - share) <= 0.02 * share
    assert after.history[-1].info["macs"] == [dense, reached]


def test_target_in_macs_keeps_multiples_of_round_to(context: Context) -> None:
    candidate = initial_candidate({"simple_cnn": {"width": 1.0}}, SHAPE, CLASSES, seed=0)
    after = pruned(candidate, context, macs=0.47)
    assert all(width % 8 == 0 for width in list(widths(after.model).values())[:-1])
    dense, reached = after.history[-1].info["macs"]
    assert reached / dense == pytest.approx(0.47, rel=0.02)


def test_nothing_is_removed_when_all_macs_remain(candidate: Candidate, context: Context) -> None:
    assert pruned(candidate, context, macs=1.0).history[-1].info["removed"] == []


def test_target_out_of_reach_is_infeasible_and_the_error_has_the_nearest(
    candidate: Candidate, context: Context
) -> None:
    with pytest.raises(
        InfeasibleCandidate, match=r"macs: 0.1 .* within 2 %; the nearest is 0\.\d+ with round_to"
    ):
        pruned(candidate, context, macs=0.1)


def test_macs_are_counted_as_in_the_objective(context: Context) -> None:
    from paretune.objectives.macs import count_macs as objective

    for name in ("simple_cnn", "transformer"):
        model = network(name).model
        shape = network(name).shape
        assert count_macs(model, shape) == objective(model, shape)


# -- which layers, and how much each -----------------------------------------------------------


def test_ignored_module_keeps_its_channels_and_coupled_ones(context: Context) -> None:
    candidate = network("resnet")  # two stages of one block: 0 and 3.* are one residual stream
    after = pruned(candidate, context, ratio=0.5, round_to=1, ignore=["3.conv2"])
    info = after.history[-1].info
    assert "3.conv1" in info["channels"]
    assert not {"0", "3.conv2"} & set(info["channels"])
    assert {"0", "3.conv2"} <= set(info["whole"])


def test_ignore_of_an_unknown_module_is_infeasible(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match='ignore: the network has no "clasifier"'):
        pruned(candidate, context, ratio=0.5, ignore=["clasifier"])


def test_per_layer_accepts_layer_names_and_positions(
    candidate: Candidate, context: Context
) -> None:
    """Layers 0, 3 and 7 have 8, 16 and 32 channels; a name overrides a position."""
    before = widths(candidate.model)
    assert list(before.values()) == [8, 16, 32, 3]
    first, second, *_ = before

    def kept(**params: Any) -> list[int]:
        return list(widths(pruned(candidate, context, round_to=1, **params).model).values())

    assert kept(per_layer={second: 0.75}) == [8, 4, 32, 3]
    assert kept(per_layer={second: 0.75}, ratio=0.5) == [4, 4, 16, 3]
    assert kept(per_layer={"1/3": 0.5, "3/3": 0.25}) == [4, 16, 24, 3]
    assert kept(per_layer={"1/1": 0.5, first: 0.0}) == [8, 8, 16, 3]


def test_ratio_of_an_unknown_layer_is_infeasible(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match='per_layer: the network has no "conv1"; the n'):
        pruned(candidate, context, per_layer={"conv1": 0.5})


def test_sensitivity_scope_keeps_the_important_layer(data: Data) -> None:
    """The second layer needs all its channels; half of the first layer's have no effect."""
    candidate = two_layers()
    with torch.no_grad():
        candidate.model[0].weight[:4] = 1e-3  # type: ignore[index]
        torch.manual_seed(0)
        candidate.model[3].weight.normal_()  # type: ignore[index]
        candidate.model[6].weight.normal_()  # type: ignore[index]
    names: list[str] = []

    def memo(name: str, make: Any) -> Any:
        names.append(name)
        return make()

    context = Context(data, memo=memo)
    after = pruned(candidate, context, ratio=0.25, round_to=1, scope="sensitivity")
    kept = widths(after.model)
    assert (kept["0"], kept["3"]) == (4, 8)
    assert names == ["pruning-sensitivity-magnitude-8"]


def test_sensitivity_scan_does_not_change_weights(context: Context) -> None:
    candidate = network("padded")
    same = pruned(candidate, context, ratio=0.0, scope="sensitivity")
    after, before = same.model.state_dict(), candidate.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_bn_scale_without_batch_normalization_is_infeasible(
    candidate: Candidate, context: Context
) -> None:
    with pytest.raises(InfeasibleCandidate, match="bn_scale: no layer that can be pruned has a b"):
        pruned(candidate, context, ratio=0.5, criterion="bn_scale")


# -- in steps ---------------------------------------------------------------------------------


def test_steps_train_in_between_and_end_at_the_same_widths(
    candidate: Candidate, data: Data
) -> None:
    events: list[EpochEnd] = []
    context = Context(data, report=events.append)
    between = {"epochs": 2, "batch_size": 8}
    once = pruned(candidate, context, ratio=0.75, round_to=1)
    slowly = pruned(candidate, context, ratio=0.75, round_to=1, steps=3, between=between)
    assert widths(slowly.model) == widths(once.model)
    assert [(event.stage, event.epoch) for event in events] == [("prune", 1), ("prune", 2)] * 2
    assert len(slowly.history) == len(candidate.history) + 1
    fresh = rebuild(slowly.history, SHAPE, CLASSES)
    fresh.load_state_dict(slowly.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), slowly.model(images))


def test_transformer_pruned_in_steps_can_be_rebuilt(data: Data) -> None:
    candidate = network("transformer")
    params = {"macs": 0.5, "round_to": 2, "steps": 2, "between": {"epochs": 0}}
    after = pruned(candidate, examples_for("transformer", data), **params)
    fresh = rebuild(after.history, candidate.shape, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    images = torch.rand(4, 3, 8, 8)
    assert torch.equal(fresh(images), after.model(images))


def test_trains_is_true_only_with_steps_and_epochs_in_between() -> None:
    def trains(**params: Any) -> bool:
        return Structured.trains(Structured.Params(ratio=0.5, **params))

    assert trains(steps=2)
    assert not trains()
    assert not trains(steps=2, between={"epochs": 0})


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "give ratio, macs or per_layer: how much to remove"),
        ({"ratio": 0.5, "macs": 0.5}, "give ratio or macs, not both"),
        ({"macs": 0.5, "per_layer": {"a": 0.5}}, "give per_layer with ratio, not with macs"),
        ({"per_layer": {"9/8": 0.5}}, r'per_layer: "9/8" is outside; give 1/8 .. 8/8'),
    ],
    ids=str,
)
def test_amounts_are_refused_when_missing_or_contradictory(
    params: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        Structured.Params(**params)
