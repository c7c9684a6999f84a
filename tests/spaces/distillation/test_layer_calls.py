"""Calls of modules in one pass, and the outputs of named layers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.layer_calls import OutputTaps, module_calls
from paretune.spaces.rebuild import initial_candidate

SHAPE = (1, 16, 16)
IMAGE = torch.zeros(1, *SHAPE)


def network(architecture: dict[str, Any]) -> Any:
    return initial_candidate(architecture, SHAPE, 3, seed=0).model


def test_module_calls_leave_modes_hooks_and_weights_unchanged() -> None:
    model = network({"resnet": {"blocks": 1, "width": 8}}).train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    module_calls(model, torch.randn(4, *SHAPE))
    assert model.training
    assert not model[1].training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


def test_taps_return_the_outputs_of_the_last_pass_and_leave_no_hook() -> None:
    model = network({"python": {"factory": "user_nets:SharedBlock"}})
    before = list(model.state_dict())
    taps = OutputTaps(model, ["block#3", "embedding", "block"])
    first, second = torch.randn(2, 2, *SHAPE)
    model(first)
    taps.take()
    logits = model(second)
    third_call, embedded, first_call = taps.take()
    assert torch.equal(embedded, model.embedding(second[:, 0]))
    assert torch.equal(first_call, model.block(embedded))
    assert torch.equal(model.head(third_call.mean(1)), logits)
    assert list(model.state_dict()) == before
    taps.close()
    assert not any(m._forward_hooks for m in model.modules())


class ExtraInEvaluation(nn.Module):
    """Applies its layer only in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.extra = nn.Conv2d(1, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.training else self.extra(x)


def test_layer_that_does_not_run_in_training_is_infeasible() -> None:
    model = ExtraInEvaluation()
    taps = OutputTaps(model, [call.name for call in module_calls(model, IMAGE)])
    model.train()(IMAGE)
    with pytest.raises(InfeasibleCandidate, match="the layer extra does not run in training"):
        taps.take()
