"""Optimizers: their options and their steps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from paretune.spaces.training import OPTIMIZERS
from paretune.spaces.training.adagrad import Adagrad
from paretune.spaces.training.adam import Adam, AdamW
from paretune.spaces.training.lion import Lion
from paretune.spaces.training.rmsprop import RmsProp
from paretune.spaces.training.sgd import Sgd
from paretune.spaces.training.torch_optim import (
    TorchOptimizer,
)

NAMED = [name for name in OPTIMIZERS.names if name != "torch"]
"""All optimizers except `torch`, which stands for many others (test_torch_optim.py)."""


def stepped(entry: Any, **params: Any) -> float:
    """Returns a weight of 1 after one step with the gradient 2."""
    weight = torch.nn.Parameter(torch.tensor(1.0))
    optimizer = entry.build([weight], entry.Params(**params))
    (2 * weight).backward()
    optimizer.step()
    return float(weight.detach())


@pytest.mark.parametrize("name", NAMED)
def test_step_lowers_a_weight_with_a_positive_gradient(name: str) -> None:
    assert stepped(OPTIMIZERS.get(name)) < 1


@pytest.mark.parametrize("name", NAMED)
def test_learning_rate_is_the_option_lr(name: str) -> None:
    entry = OPTIMIZERS.get(name)
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = entry.build(iter([weight]), entry.Params(lr=0.025))
    assert [group["lr"] for group in optimizer.param_groups] == [0.025]


@pytest.mark.parametrize(
    ("entry", "params", "expected"),
    [
        (Sgd, {"lr": 0.1, "momentum": 0.0}, 1 - 0.1 * 2),
        (Sgd, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1 * (2 + 0.5)),
        (Sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}, 1 - 0.1 * (2 + 0.9 * 2)),
        (Adam, {"lr": 0.1}, 1 - 0.1),
        (Adam, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1),
        (AdamW, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1 * 0.5 - 0.1),
        (RmsProp, {"lr": 0.1, "alpha": 0.75}, 1 - 0.1 * 2 / math.sqrt(0.25 * 2**2)),
        (Lion, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1 * (1 + 0.5 * 1)),
        (TorchOptimizer, {"name": "SGD", "args": {"lr": 0.1, "momentum": 0.5}}, 1 - 0.1 * 2),
        (TorchOptimizer, {"name": "Adamax", "args": {"lr": 0.1}}, 1 - 0.1),
        (Adagrad, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1),
    ],
)
def test_first_step_follows_the_formula(
    entry: Any, params: dict[str, Any], expected: float
) -> None:
    """Adam's first step is lr * sign(gradient + decay); AdamW subtracts its decay separately."""
    assert stepped(entry, **params) == pytest.approx(expected, abs=1e-5)


def test_betas_are_the_options_beta1_and_beta2() -> None:
    params = Adam.Params(beta1=0.5, beta2=0.75)
    optimizer = Adam.build([torch.nn.Parameter(torch.zeros(1))], params)
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.75)


@pytest.mark.parametrize(
    ("entry", "params", "reason"),
    [
        (Sgd, {"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
        (Sgd, {"lr": 0.0}, "greater than 0"),
        (Sgd, {"momentum": 1.0}, "less than 1"),
        (Adam, {"beta2": 1.0}, "less than 1"),
        (AdamW, {"weight_decay": -0.1}, "greater than or equal to 0"),
        (
            TorchOptimizer,
            {"name": "Radam"},
            r'torch.optim has no "Radam"; did you mean "RAdam"\? Known: ',
        ),
        (TorchOptimizer, {"name": "LBFGS"}, "evaluates the loss several times a step"),
        (TorchOptimizer, {"name": "SparseAdam"}, "sparse gradients only"),
        (TorchOptimizer, {"name": "Optimizer"}, 'has no "Optimizer"'),
        (
            TorchOptimizer,
            {"name": "NAdam", "args": {"weigth_decay": 0.1}},
            'NAdam has no argument "weigth_decay"; did you mean "weight_decay"',
        ),
    ],
)
def test_params_out_of_range_are_refused(entry: Any, params: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        entry.Params(**params)


# -- lion --------------------------------------------------------------------------------------


def test_lion_follows_the_paper_s_algorithm() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(5, generator=generator))
    idle = torch.nn.Parameter(torch.ones(2))  # no gradient, so it must not change
    params = Lion.Params(lr=0.1, beta1=0.8, beta2=0.95, weight_decay=0.3)
    optimizer = Lion.build([weight, idle], params)
    expected, mean = weight.detach().clone(), torch.zeros(5)
    for _ in range(10):
        gradient = torch.randn(5, generator=generator)
        weight.grad = gradient.clone()
        optimizer.step()
        update = torch.sign(0.8 * mean + 0.2 * gradient)
        expected = expected - 0.1 * (update + 0.3 * expected)
        mean = 0.95 * mean + 0.05 * gradient
    torch.testing.assert_close(weight.detach(), expected)
    assert torch.equal(idle, torch.ones(2))
