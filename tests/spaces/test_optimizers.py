"""Optimizers: each is torch's, with the options of the study."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from spaces.training import OPTIMIZERS
from spaces.training.adagrad import Adagrad
from spaces.training.adam import Adam, AdamW
from spaces.training.rmsprop import RmsProp
from spaces.training.sgd import Sgd


def stepped(entry: Any, **params: Any) -> float:
    """A weight of 1 after one step with the gradient 2."""
    weight = torch.nn.Parameter(torch.tensor(1.0))
    optimizer = entry.build([weight], entry.Params(**params))
    (2 * weight).backward()
    optimizer.step()
    return float(weight.detach())


@pytest.mark.parametrize("name", OPTIMIZERS.names)
def test_step_lowers_a_weight_with_a_positive_gradient(name: str) -> None:
    assert stepped(OPTIMIZERS.get(name)) < 1


@pytest.mark.parametrize("name", OPTIMIZERS.names)
def test_learning_rate_is_the_option_s(name: str) -> None:
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
        (Adagrad, {"lr": 0.1, "weight_decay": 0.5}, 1 - 0.1),
    ],
)
def test_first_step_is_the_formula_s(entry: Any, params: dict[str, Any], expected: float) -> None:
    """Adam's first step is lr * sign(gradient); its decay is in the gradient, AdamW's beside it."""
    assert stepped(entry, **params) == pytest.approx(expected, abs=1e-5)


def test_betas_are_the_options() -> None:
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
    ],
)
def test_params_out_of_range_are_refused(entry: Any, params: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        entry.Params(**params)
