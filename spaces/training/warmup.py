"""Warm-up: a linear rise of the learning rate at the start of a schedule."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class WarmupParams(Params):
    """Options of constant, and of every other schedule with a warm-up."""

    warmup: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training in which the rate rises linearly from 0",
    )


def split_warmup(progress: float, warmup: float) -> tuple[float, float]:
    """Returns (factor of the warm-up, progress in [0, 1) of the training after it)."""
    if progress < warmup:
        return progress / warmup, 0.0
    return 1.0, (progress - warmup) / (1 - warmup)
