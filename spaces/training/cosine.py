"""Learning-rate schedules along cosines: one fall, falls with restarts, or a rise and a fall."""

from __future__ import annotations

import math

from pydantic import Field

from paretune.spaces.params import Params
from paretune.spaces.training.warmup import WarmupParams, split_warmup


class CosineParams(WarmupParams):
    """Options of cosine."""

    end: float = Field(0.0, ge=0, le=1, description="factor of the rate at the end")


class Cosine:
    """Lowers the rate by half a cosine (SGDR without restarts, https://arxiv.org/abs/1608.03983)."""

    Params = CosineParams

    @staticmethod
    def factor(params: CosineParams, progress: float) -> float:
        """Returns end + (1 - end) * (1 + cos(pi * progress)) / 2, after the warm-up."""
        rise, rest = split_warmup(progress, params.warmup)
        return rise * (params.end + (1 - params.end) * (1 + math.cos(math.pi * rest)) / 2)


class CosineRestartsParams(CosineParams):
    """Options of cosine_restarts."""

    cycles: int = Field(2, ge=1, le=100, description="number of falls; all but the first restart")
    stretch: float = Field(
        1.0, ge=1, le=10, description="length of each cycle relative to the previous one"
    )


class CosineRestarts:
    """Lowers the rate by half a cosine several times (SGDR, https://arxiv.org/abs/1608.03983)."""

    Params = CosineRestartsParams

    @staticmethod
    def factor(params: CosineRestartsParams, progress: float) -> float:
        """Returns the factor by the cosine of the current cycle, after the warm-up.

        Cycle i (from 0) is stretch ** i times as long as the first. Together the cycles fill the
        training, so it ends at the end of a fall.
        """
        rise, rest = split_warmup(progress, params.warmup)
        lengths = [params.stretch**i for i in range(params.cycles)]
        left = rest * sum(lengths)
        for length in lengths[:-1]:
            if left < length * (1 - 1e-9):
                break
            left -= length
        else:
            length = lengths[-1]
        share = min(max(left / length, 0.0), 1.0)
        return rise * (params.end + (1 - params.end) * (1 + math.cos(math.pi * share)) / 2)


class OneCycleParams(Params):
    """Options of one_cycle."""

    warmup: float = Field(
        0.3, gt=0, lt=1, description="share of the training in which the rate rises"
    )
    start: float = Field(
        0.04, ge=0, le=1, description="factor of the rate at the start (torch's default: 1/25)"
    )
    end: float = Field(
        4e-6, ge=0, le=1, description="factor of the rate at the end (torch's default: 1/25/1e4)"
    )


class OneCycle:
    """Raises, then lowers the rate by cosines (OneCycleLR; https://arxiv.org/abs/1708.07120)."""

    Params = OneCycleParams

    @staticmethod
    def factor(params: OneCycleParams, progress: float) -> float:
        """Returns the factor: from start to 1 over the warm-up, then from 1 to end."""
        if progress < params.warmup:
            return _cosine(params.start, 1.0, progress / params.warmup)
        return _cosine(1.0, params.end, (progress - params.warmup) / (1 - params.warmup))


def _cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
