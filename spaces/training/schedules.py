"""Learning-rate schedules: a factor of the base rate at a progress in [0, 1).

Progress rather than epochs, so that a longer budget stretches a schedule and leaves its shape.
"""

from __future__ import annotations

import math

from pydantic import Field

from spaces.params import Params


class WarmupParams(Params):
    """What schedules have in common."""

    warmup: float = Field(0.0, ge=0, lt=1, description="share of training with a linear rise")


def warmed(progress: float, warmup: float) -> tuple[float, float]:
    """(factor of the warm-up, progress in [0, 1) of what comes after it)."""
    if progress < warmup:
        return progress / warmup, 0.0
    return 1.0, (progress - warmup) / (1 - warmup)


class Constant:
    """The same rate throughout."""

    Params = WarmupParams

    @staticmethod
    def factor(params: WarmupParams, progress: float) -> float:
        """Factor in [0, 1] of the base rate."""
        return warmed(progress, params.warmup)[0]


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
        rise, rest = warmed(progress, params.warmup)
        return rise * params.gamma ** math.floor(rest / params.every + 1e-9)


class CosineParams(WarmupParams):
    """Options of cosine."""

    end: float = Field(0.0, ge=0, le=1, description="factor at the end")


class Cosine:
    """Falls along half a cosine (SGDR without restarts, https://arxiv.org/abs/1608.03983)."""

    Params = CosineParams

    @staticmethod
    def factor(params: CosineParams, progress: float) -> float:
        """End + (1 - end) * (1 + cos(pi * progress)) / 2, after the warm-up."""
        rise, rest = warmed(progress, params.warmup)
        return rise * (params.end + (1 - params.end) * (1 + math.cos(math.pi * rest)) / 2)


class PolynomialParams(CosineParams):
    """Options of polynomial."""

    power: float = Field(1.0, gt=0, le=10, description="1 falls along a line, 2 along a parabola")


class Polynomial:
    """Falls along a power of what is left of the training (DeepLab's "poly" rate; 1: linear)."""

    Params = PolynomialParams

    @staticmethod
    def factor(params: PolynomialParams, progress: float) -> float:
        """End + (1 - end) * (1 - progress) ** power, after the warm-up."""
        rise, rest = warmed(progress, params.warmup)
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
        rise, rest = warmed(progress, params.warmup)
        return float(rise * params.end**rest)


class OneCycleParams(Params):
    """Options of one_cycle."""

    warmup: float = Field(0.3, gt=0, lt=1, description="share of training that rises")
    start: float = Field(0.04, ge=0, le=1, description="factor at the beginning (torch: 1/25)")
    end: float = Field(4e-6, ge=0, le=1, description="factor at the end (torch: 1/25/1e4)")


class OneCycle:
    """Rises and falls along cosines (https://arxiv.org/abs/1708.07120; torch's OneCycleLR)."""

    Params = OneCycleParams

    @staticmethod
    def factor(params: OneCycleParams, progress: float) -> float:
        """From start to 1 over the warm-up, then from 1 to end."""
        if progress < params.warmup:
            return _cosine(params.start, 1.0, progress / params.warmup)
        return _cosine(1.0, params.end, (progress - params.warmup) / (1 - params.warmup))


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
