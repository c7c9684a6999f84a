"""2:4 sparsity: which weights become zero, and which layers are skipped."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.pruning.semi_structured import SemiStructured
from paretune.spaces.rebuild import initial_candidate

CLASSES = 3


def halved(candidate: Candidate, context: Context, **params: Any) -> Candidate:
    return SemiStructured.apply(candidate, SemiStructured.Params(**params), context)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        f"{name}.weight": module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def test_two_smallest_of_every_four_inputs_become_zero(context: Context) -> None:
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


def test_layers_that_do_not_fit_are_skipped_and_listed(context: Context) -> None:
    candidate = initial_candidate({"separable_cnn": {"width": 0.25}}, (3, 8, 8), CLASSES, seed=0)
    after = halved(candidate, context)
    info = after.history[-1].info
    assert info["skipped"]
    for name, weight in weights(after.model).items():
        fits = weight.shape[1] % 4 == 0
        assert (name in info["zeros"]) == fits
        assert fits or info["skipped"][name] == (
            f"{weight.shape[1]} input channels, no multiple of 4"
        )


def test_network_is_infeasible_when_no_layer_fits(context: Context) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)
    )
    candidate = Candidate(model, (3, 8, 8), 3)
    with pytest.raises(
        InfeasibleCandidate, match=r"fits no layer \(0.weight: 3 input channels, no multiple of 4"
    ):
        halved(candidate, context)
