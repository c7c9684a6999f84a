"""Unstructured pruning: how many weights become zero, and which."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from paretune.spaces.base import Candidate, Context, Data
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.rebuild import initial_candidate

SHAPE, CLASSES = (1, 8, 8), 3


def pruned_candidate(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return Unstructured.apply(candidate, Unstructured.Params(**params), context)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def zeros(tensor: torch.Tensor) -> int:
    return int((tensor == 0).sum())


@pytest.mark.parametrize("criterion", ["l1", "random"])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.97])
def test_each_layer_loses_the_ratio_with_uniform_scope(
    criterion: str, ratio: float, candidate: Candidate, context: Context
) -> None:
    after = pruned_candidate(candidate, context, criterion=criterion, ratio=ratio)
    pruned = weights(after.model)
    assert {n: zeros(w) for n, w in pruned.items()} == {
        n: round(ratio * w.numel()) for n, w in pruned.items()
    }
    info = after.history[-1].info
    assert info["zeros"] == {n: [zeros(w), w.numel()] for n, w in pruned.items()}


def test_smallest_weights_become_zero_and_the_others_do_not_change(
    candidate: Candidate, context: Context
) -> None:
    before = weights(candidate.model)
    for name, weight in weights(pruned_candidate(candidate, context, ratio=0.5).model).items():
        removed = before[name][weight == 0].abs()
        assert removed.max() <= before[name][weight != 0].abs().min()
        assert torch.equal(weight[weight != 0], before[name][weight != 0])


def test_global_scope_equals_torch_s_global_pruning(candidate: Candidate, context: Context) -> None:
    after = weights(pruned_candidate(candidate, context, ratio=0.7, scope="global").model)
    reference = initial_candidate({"simple_cnn": {"width": 0.125}}, SHAPE, CLASSES, seed=0).model
    layers = [(m, "weight") for m in reference.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    prune.global_unstructured(layers, pruning_method=prune.L1Unstructured, amount=0.7)
    assert all(torch.equal(after[name], w) for name, w in weights(reference).items())
    shares = [zeros(w) / w.numel() for w in after.values()]
    assert max(shares) - min(shares) > 0.1


def test_random_criterion_depends_on_the_seed(data: Data, candidate: Candidate) -> None:
    def first(seed: int) -> torch.Tensor:
        after = pruned_candidate(candidate, Context(data, seed=seed), ratio=0.5, criterion="random")
        return next(iter(weights(after.model).values()))

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0) == 0, first(1) == 0)


def test_biases_and_normalization_are_not_pruned(context: Context) -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=0)
    after = pruned_candidate(candidate, context, ratio=0.9)
    touched = set(after.history[-1].info["zeros"])
    before = dict(candidate.model.named_parameters())
    for name, parameter in after.model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in touched)


def test_packed_projection_of_an_attention_is_pruned(context: Context) -> None:
    candidate = initial_candidate({"python": "user_nets:transformer"}, (3, 8, 8), CLASSES, seed=0)
    counts = pruned_candidate(candidate, context, ratio=0.5).history[-1].info["zeros"]
    name = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    assert counts[name] == [3 * 16 * 16 // 2, 3 * 16 * 16]


def test_ignored_modules_are_not_pruned(context: Context) -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=0)
    all_names = set(pruned_candidate(candidate, context, ratio=0.5).history[-1].info["zeros"])
    pruned = (
        pruned_candidate(candidate, context, ratio=0.5, ignore=["0", "4"]).history[-1].info["zeros"]
    )
    ignored = {name for name in all_names if name.startswith(("0.", "4."))}
    assert len(ignored) > 2
    assert set(pruned) == all_names - ignored
