"""Learning-rate schedules: a factor of the base rate at a progress in [0, 1).

Progress rather than epochs, so that a longer budget stretches a schedule and leaves its shape. A
schedule has `factor(params, progress)`. If it depends on the losses, it also has
`loss_factor(params, losses)` (plateau.py). If its rates do not depend on the number of epochs, it
has `endless(params)`, which returns True: a longer training then begins with the same epochs as a
shorter one.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated

from pydantic import AfterValidator, Field

from paretune.spaces.training.warmup import WarmupParams, split_warmup

EPSILON = 1e-9
"""Rounding error that a progress may have: a drop at 0.3 also happens at 0.1 + 0.1 + 0.1."""


class Constant:
    """Keeps the rate constant."""

    Params = WarmupParams

    @staticmethod
    def factor(params: WarmupParams, progress: float) -> float:
        """Returns the factor of the base rate: 1 after the warm-up."""
        return split_warmup(progress, params.warmup)[0]

    @staticmethod
    def endless(params: WarmupParams) -> bool:
        """Returns True unless there is a warm-up, which is a share of the whole training."""
        return not params.warmup


class StepParams(WarmupParams):
    """Options of step."""

    every: float = Field(1 / 3, gt=0, le=1, description="share of the training between two drops")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of the rate at each drop")


class StepDecay:
    """Multiplies the rate by a factor at equal intervals."""

    Params = StepParams

    @staticmethod
    def factor(params: StepParams, progress: float) -> float:
        """Returns gamma ** floor(progress / every), after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        return rise * params.gamma ** math.floor(rest / params.every + EPSILON)


def _rising(milestones: list[float]) -> list[float]:
    if any(not 0 < m < 1 for m in milestones):
        raise ValueError("milestones are shares of the training, each above 0 and below 1")
    if any(a >= b for a, b in itertools.pairwise(milestones)):
        raise ValueError("milestones must rise: give each of them once, the earliest first")
    return milestones


class MultiStepParams(WarmupParams):
    """Options of multi_step."""

    milestones: Annotated[list[float], AfterValidator(_rising)] = Field(
        [0.5, 0.75],
        min_length=1,
        max_length=100,
        description="shares of the training after which the rate drops, ascending",
    )
    gamma: float = Field(0.1, gt=0, le=1, description="factor of the rate at each drop")


class MultiStep:
    """Multiplies the rate by a factor at listed shares of the training."""

    Params = MultiStepParams

    @staticmethod
    def factor(params: MultiStepParams, progress: float) -> float:
        """Returns gamma ** (number of milestones up to the progress), after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        passed = sum(rest + EPSILON >= milestone for milestone in params.milestones)
        return float(rise * params.gamma**passed)


class PolynomialParams(WarmupParams):
    """Options of polynomial."""

    end: float = Field(0.0, ge=0, le=1, description="factor of the rate at the end")
    power: float = Field(
        1.0, gt=0, le=10, description="exponent: 1 falls along a line, 2 along a parabola"
    )


class Polynomial:
    """Lowers the rate by a power of the remaining share of training (DeepLab's "poly" rate)."""

    Params = PolynomialParams

    @staticmethod
    def factor(params: PolynomialParams, progress: float) -> float:
        """Returns end + (1 - end) * (1 - progress) ** power, after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        remaining: float = (1 - rest) ** params.power
        return rise * (params.end + (1 - params.end) * remaining)


class ExponentialParams(WarmupParams):
    """Options of exponential."""

    end: float = Field(0.01, gt=0, le=1, description="factor of the rate at the end")


class Exponential:
    """Lowers the rate exponentially, by the same share in equal times."""

    Params = ExponentialParams

    @staticmethod
    def factor(params: ExponentialParams, progress: float) -> float:
        """Returns end ** progress, after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        return float(rise * params.end**rest)
