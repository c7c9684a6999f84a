"""Warm-up: a linear rise that any schedule may begin with."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class WarmupParams(Params):
    """What schedules have in common."""

    warmup: float = Field(0.0, ge=0, lt=1, description="share of training with a linear rise")


def split_warmup(progress: float, warmup: float) -> tuple[float, float]:
    """(factor of the warm-up, progress in [0, 1) of what comes after it)."""
    if progress < warmup:
        return progress / warmup, 0.0
    return 1.0, (progress - warmup) / (1 - warmup)
