"""Single weights: how many become zero, which, and that they stay so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from paretune.spaces.base import Candidate, Context, Data, InfeasibleCandidate
from paretune.spaces.pruning.semi_structured import SemiStructured
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.zeros import Zeros

SHAPE, CLASSES = (1, 8, 8), 3


def thinned(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Unstructured.apply(candidate, Unstructured.Params(**params), context)


def halved(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return SemiStructured.apply(candidate, SemiStructured.Params(**params), context)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def zeros(tensor: torch.Tensor) -> int:
    return int((tensor == 0).sum())


# -- unstructured ------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["l1", "random"])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.97])
def test_each_layer_loses_the_ratio_when_uniform(
    criterion: str, ratio: float, candidate: Candidate, context: Context
) -> None:
    after = thinned(candidate, context, criterion=criterion, ratio=ratio)
    found = weights(after.model)
    assert {n: zeros(w) for n, w in found.items()} == {
        n: round(ratio * w.numel()) for n, w in found.items()
    }
    info = after.history[-1].info
    assert info["zeros"] == {n: [zeros(w), w.numel()] for n, w in found.items()}


def test_small_weights_go_and_the_others_stay_as_they_were(
    candidate: Candidate, context: Context
) -> None:
    before = weights(candidate.model)
    for name, weight in weights(thinned(candidate, context, ratio=0.5).model).items():
        gone = before[name][weight == 0].abs()
        assert gone.max() <= before[name][weight != 0].abs().min()
        assert torch.equal(weight[weight != 0], before[name][weight != 0])


def test_one_ranking_over_all_layers_is_torch_s_own(candidate: Candidate, context: Context) -> None:
    after = weights(thinned(candidate, context, ratio=0.7, scope="global").model)
    theirs = initial_candidate({"simple_cnn": {"width": 0.125}}, SHAPE, CLASSES, seed=0).model
    layers = [(m, "weight") for m in theirs.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.7)
    assert all(torch.equal(after[name], w) for name, w in weights(theirs).items())
    shares = [zeros(w) / w.numel() for w in after.values()]
    assert max(shares) - min(shares) > 0.1


def test_random_weights_follow_the_seed(data: Data, candidate: Candidate) -> None:
    def first(seed: int) -> torch.Tensor:
        after = thinned(candidate, Context(data, seed=seed), ratio=0.5, criterion="random")
        return next(iter(weights(after.model).values()))

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0) == 0, first(1) == 0)


def test_biases_and_normalization_are_left_alone(context: Context) -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=0)
    after = thinned(candidate, context, ratio=0.9)
    touched = set(after.history[-1].info["zeros"])
    before = dict(candidate.model.named_parameters())
    for name, parameter in after.model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in touched)


def test_attention_s_packed_projection_is_pruned_too(context: Context) -> None:
    candidate = initial_candidate({"python": "user_nets:transformer"}, (3, 8, 8), CLASSES, seed=0)
    found = thinned(candidate, context, ratio=0.5).history[-1].info["zeros"]
    name = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    assert found[name] == [3 * 16 * 16 // 2, 3 * 16 * 16]


def test_ignored_modules_are_left_alone(context: Context) -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=0)
    every = thinned(candidate, context, ratio=0.5).history[-1].info["zeros"]
    some = thinned(candidate, context, ratio=0.5, ignore=["0", "4"]).history[-1].info["zeros"]
    gone = {name for name in every if name.startswith(("0.", "4."))}
    assert len(gone) > 2
    assert set(some) == set(every) - gone


@pytest.mark.parametrize("technique", [Unstructured, SemiStructured], ids=lambda t: t.name)
def test_unknown_name_to_ignore_is_infeasible(
    technique: Any, candidate: Candidate, context: Context
) -> None:
    required = {"ratio": 0.5} if technique is Unstructured else {}
    params = technique.Params(ignore=["clasifier"], **required)
    with pytest.raises(InfeasibleCandidate, match='ignore: the network has no "clasifier"; the'):
        technique.apply(candidate, params, context)


@pytest.mark.parametrize("technique", [Unstructured, SemiStructured], ids=lambda t: t.name)
def test_network_without_weights_is_infeasible(technique: Any, context: Context) -> None:
    candidate = Candidate(nn.Flatten(), (1, 1, 3), 3)
    required = {"ratio": 0.5} if technique is Unstructured else {}
    with pytest.raises(InfeasibleCandidate, match="no convolution or linear layer to prune"):
        technique.apply(candidate, technique.Params(**required), context)


# -- 2:4 ---------------------------------------------------------------------------------------


def test_two_of_every_four_inputs_are_zero_and_they_are_the_smallest(context: Context) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(8, 5, 3), nn.Flatten(), nn.Linear(20, 3))
    candidate = Candidate(model.eval(), (8, 4, 4), 3)
    after = halved(candidate, context).model
    for before, now in zip(weights(model).values(), weights(after).values(), strict=True):
        # [out, in, ...] -> each kernel position by itself, fours of inputs
        old = before.detach().reshape(*before.shape[:2], -1).permute(0, 2, 1).reshape(-1, 4)
        new = now.detach().reshape(*now.shape[:2], -1).permute(0, 2, 1).reshape(-1, 4)
        assert ((new == 0).sum(1) == 2).all()
        kept = old.abs().sort(1, descending=True).values[:, :2].sum(1)
        assert torch.allclose(new.abs().sum(1), kept)
    assert after(torch.rand(2, 8, 4, 4)).shape == (2, 3)


def test_layers_that_do_not_fit_are_skipped_and_named(context: Context) -> None:
    candidate = initial_candidate({"separable_cnn": {"width": 0.25}}, (3, 8, 8), CLASSES, seed=0)
    after = halved(candidate, context)
    info = after.history[-1].info
    assert info["skipped"]
    found = weights(after.model)
    for name, weight in found.items():
        fits = weight.shape[1] % 4 == 0
        assert (name in info["zeros"]) == fits
        assert fits or info["skipped"][name] == (
            f"{weight.shape[1]} input channels, no multiple of 4"
        )


def test_network_where_no_layer_fits_is_infeasible(context: Context) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    )
    candidate = Candidate(model, (3, 8, 8), 3)
    with pytest.raises(
        InfeasibleCandidate, match=r"fits no layer \(0.weight: 3 input channels, no multiple of 4"
    ):
        halved(candidate, context)


# -- zeros stay --------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", {"sgd": {"momentum": 0.9}}], ids=str)
def test_training_keeps_zeros_and_trains_the_rest(
    optimizer: Any, candidate: Candidate, context: Context
) -> None:
    once = halved(thinned(candidate, context, ratio=0.6), context)
    recipe = Recipe(epochs=3, batch_size=8, optimizer=optimizer, augment={"flip": True})
    after = train(once, recipe, context, stage="finetune")
    before, now = weights(once.model), weights(after.model)
    for name, weight in now.items():
        assert torch.equal(weight == 0, before[name] == 0)
        assert not torch.equal(weight, before[name])


def test_training_moves_zeros_that_no_pruning_made(candidate: Candidate, context: Context) -> None:
    with torch.no_grad():
        candidate.model[0].weight[0] = 0  # type: ignore[index]
    after = train(candidate, Recipe(epochs=1), context, stage="pretrain")
    assert zeros(after.model[0].weight) == 0  # type: ignore[index]


def test_zeros_are_found_under_a_parametrization(candidate: Candidate, context: Context) -> None:
    after = thinned(candidate, context, ratio=0.5)
    layer = after.model[0]  # type: ignore[index]
    gone = zeros(layer.weight)
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    kept = Zeros(after.model, after.history)
    with torch.no_grad():
        layer.parametrizations.weight.original.add_(1.0)
    kept.restore()
    assert zeros(layer.weight) == gone


def test_layers_that_are_gone_are_passed_over(candidate: Candidate, context: Context) -> None:
    after = thinned(candidate, context, ratio=0.5)
    after.model[0] = nn.Identity()  # type: ignore[index]
    Zeros(after.model, after.history).restore()
    assert zeros(after.model[3].weight) > 0  # type: ignore[index]
