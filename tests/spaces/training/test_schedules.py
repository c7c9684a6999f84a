"""Schedules: the factor of the base rate at a progress."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from paretune.spaces.training import SCHEDULES
from paretune.spaces.training.warmup import split_warmup

PROGRESS = st.floats(0, 1)


def factor(name: str, progress: float, **params: Any) -> float:
    entry = SCHEDULES.get(name)
    return float(entry.factor(entry.Params(**params), progress))


@pytest.mark.parametrize(
    ("name", "params", "values"),
    [
        ("constant", {}, {0: 1, 0.5: 1, 1: 1}),
        ("constant", {"warmup": 0.2}, {0: 0, 0.1: 0.5, 0.2: 1, 0.5: 1, 1: 1}),
        ("step", {}, {0: 1, 0.3: 1, 1 / 3: 0.1, 0.5: 0.1, 0.66: 0.1, 2 / 3: 0.01, 0.99: 0.01}),
        ("step", {"every": 0.25, "gamma": 0.5}, {0: 1, 0.25: 0.5, 0.5: 0.25, 0.75: 0.125}),
        ("step", {"warmup": 0.5, "every": 0.5}, {0: 0, 0.25: 0.5, 0.5: 1, 0.7: 1, 0.75: 0.1}),
        ("cosine", {}, {0: 1, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1: 0}),
        ("cosine", {"end": 0.2}, {0: 1, 0.5: 0.6, 1: 0.2}),
        ("cosine", {"warmup": 0.2}, {0: 0, 0.1: 0.5, 0.2: 1, 0.6: 0.5, 1: 0}),
        ("polynomial", {}, {0: 1, 0.25: 0.75, 0.5: 0.5, 1: 0}),
        ("polynomial", {"power": 2, "end": 0.2}, {0: 1, 0.5: 0.2 + 0.8 * 0.25, 1: 0.2}),
        ("polynomial", {"warmup": 0.5}, {0: 0, 0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0}),
        ("exponential", {}, {0: 1, 0.5: 0.1, 1: 0.01}),
        ("multi_step", {}, {0: 1, 0.49: 1, 0.5: 0.1, 0.74: 0.1, 0.75: 0.01, 0.99: 0.01}),
        ("multi_step", {"milestones": [0.2], "gamma": 0.5, "warmup": 0.5}, {0.5: 1, 0.6: 0.5}),
        ("cosine_restarts", {}, {0: 1, 0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0}),
        (
            "cosine_restarts",
            {"cycles": 2, "stretch": 3, "end": 0.2},
            {0: 1, 0.125: 0.6, 0.25: 1, 0.625: 0.6, 1: 0.2},
        ),
        ("cosine_restarts", {"cycles": 3, "warmup": 0.1}, {0.05: 0.5, 0.1: 1, 0.25: 0.5, 0.4: 1}),
        ("plateau", {"warmup": 0.5}, {0: 0, 0.25: 0.5, 0.5: 1, 1: 1}),
        ("exponential", {"end": 0.25, "warmup": 0.5}, {0.25: 0.5, 0.5: 1, 0.75: 0.5, 1: 0.25}),
        ("one_cycle", {}, {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.500002, 1: 4e-6}),
        (
            "one_cycle",
            {"warmup": 0.5, "start": 0.2, "end": 0.1},
            {0: 0.2, 0.25: 0.6, 0.5: 1, 0.75: 0.55, 1: 0.1},
        ),
    ],
)
def test_factor_follows_the_formula(
    name: str, params: dict[str, Any], values: dict[float, float]
) -> None:
    factors = {progress: factor(name, progress, **params) for progress in values}
    assert factors == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES.names)
@settings(deadline=None, max_examples=50)
@given(PROGRESS, st.floats(0.01, 0.9))
def test_factor_lies_between_zero_and_one(name: str, progress: float, warmup: float) -> None:
    assert -1e-12 <= factor(name, progress, warmup=warmup) <= 1 + 1e-12


@pytest.mark.parametrize("name", [n for n in SCHEDULES.names if n != "cosine_restarts"])
@settings(deadline=None, max_examples=50)
@given(PROGRESS, PROGRESS, st.floats(0.01, 0.9))
def test_factor_rises_only_in_the_warm_up(
    name: str, one: float, other: float, warmup: float
) -> None:
    early, late = sorted((one, other))
    rise = factor(name, late, warmup=warmup) - factor(name, early, warmup=warmup)
    if late <= warmup:
        assert rise >= -1e-12
    elif early >= warmup:
        assert rise <= 1e-12


@pytest.mark.parametrize("name", SCHEDULES.names)
@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, 0.9))
def test_factor_is_one_at_the_end_of_the_warm_up(name: str, warmup: float) -> None:
    assert factor(name, warmup, warmup=warmup) == pytest.approx(1)


def test_step_drops_at_every_interval_despite_rounding() -> None:
    factors = [factor("step", i * 0.1, every=0.1, gamma=0.5) for i in range(10)]
    assert factors == pytest.approx([0.5**i for i in range(10)])


def test_one_cycle_equals_torch_s() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    steps, warmup = 101, 0.3
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, pct_start=(warmup * (steps - 1) + 1) / steps
    )
    for step in range(steps):
        rate = optimizer.param_groups[0]["lr"]
        assert factor("one_cycle", step / (steps - 1)) == pytest.approx(rate, abs=1e-9)
        optimizer.step()
        if step < steps - 1:
            reference.step()


def test_split_warmup_returns_factor_and_remaining_progress() -> None:
    assert split_warmup(0.0, 0.0) == (1.0, 0.0)
    assert split_warmup(0.1, 0.4) == (0.25, 0.0)
    assert split_warmup(0.4, 0.4) == (1.0, 0.0)
    assert split_warmup(0.7, 0.4) == (1.0, pytest.approx(0.5))
    assert math.isclose(split_warmup(1.0, 0.4)[1], 1.0)


def test_cosine_restarts_equal_torch_s() -> None:
    """Two cycles of 10 and 20 steps."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=10, T_mult=2)
    for step in range(30):
        factors = factor("cosine_restarts", step / 30, cycles=2, stretch=2.0)
        assert factors == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize(
    ("milestones", "reason"),
    [([], "at least 1"), ([0.5, 0.5], "must rise"), ([0.7, 0.2], "must rise"), ([1.0], "below 1")],
)
def test_milestones_are_refused_unless_rising_shares(milestones: list[float], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        SCHEDULES.get("multi_step").Params(milestones=milestones)
