"""Learning-rate schedules: a factor of the base rate at a progress in [0, 1).

Progress rather than epochs, so that a longer budget stretches a schedule and leaves its shape. A
schedule has `factor(params, progress)`; one that answers to how training goes also has
`answer(params, losses)`, see plateau.py; and one that may go on for ever says so by
`endless(params)`: a longer training then begins with the very epochs of a shorter one.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated

from pydantic import AfterValidator, Field

from paretune.spaces.training.warmup import WarmupParams, split_warmup

EPSILON = 1e-9
"""A drop at progress 0.3 also comes at 0.1 + 0.1 + 0.1."""


class Constant:
    """The same rate throughout."""

    Params = WarmupParams

    @staticmethod
    def factor(params: WarmupParams, progress: float) -> float:
        """Factor in [0, 1] of the base rate."""
        return split_warmup(progress, params.warmup)[0]

    @staticmethod
    def endless(params: WarmupParams) -> bool:
        """A warm-up takes a share of the whole."""
        return not params.warmup


class StepParams(WarmupParams):
    """Options of step."""

    every: float = Field(1 / 3, gt=0, le=1, description="share of training between two drops")
    gamma: float = Field(0.1, gt=0, le=1, description="factor of each drop")


class StepDecay:
    """Drops by a factor at equal intervals."""

    Params = StepParams

    @staticmethod
    def factor(params: StepParams, progress: float) -> float:
        """Gamma ** floor(progress / every), after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        return rise * params.gamma ** math.floor(rest / params.every + EPSILON)


def _rising(milestones: list[float]) -> list[float]:
    if any(not 0 < m < 1 for m in milestones):
        raise ValueError("milestones are shares of the training, each above 0 and below 1")
    if any(a >= b for a, b in itertools.pairwise(milestones)):
        raise ValueError("milestones must rise: give each once, the earliest first")
    return milestones


class MultiStepParams(WarmupParams):
    """Options of multi_step."""

    milestones: Annotated[list[float], AfterValidator(_rising)] = Field(
        [0.5, 0.75], min_length=1, max_length=100, description="shares of training where it drops"
    )
    gamma: float = Field(0.1, gt=0, le=1, description="factor of each drop")


class MultiStep:
    """Drops by a factor at named shares of the training."""

    Params = MultiStepParams

    @staticmethod
    def factor(params: MultiStepParams, progress: float) -> float:
        """Gamma ** (number of milestones at or before the progress), after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        passed = sum(rest + EPSILON >= milestone for milestone in params.milestones)
        return float(rise * params.gamma**passed)


class PolynomialParams(WarmupParams):
    """Options of polynomial."""

    end: float = Field(0.0, ge=0, le=1, description="factor at the end")
    power: float = Field(1.0, gt=0, le=10, description="1 falls along a line, 2 along a parabola")


class Polynomial:
    """Falls along a power of what is left of the training (DeepLab's "poly" rate; 1: linear)."""

    Params = PolynomialParams

    @staticmethod
    def factor(params: PolynomialParams, progress: float) -> float:
        """End + (1 - end) * (1 - progress) ** power, after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        left: float = (1 - rest) ** params.power
        return rise * (params.end + (1 - params.end) * left)


class ExponentialParams(WarmupParams):
    """Options of exponential."""

    end: float = Field(0.01, gt=0, le=1, description="factor at the end")


class Exponential:
    """Falls by the same share in equal times."""

    Params = ExponentialParams

    @staticmethod
    def factor(params: ExponentialParams, progress: float) -> float:
        """End ** progress, after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        return float(rise * params.end**rest)
