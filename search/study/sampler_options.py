"""Options of the samplers that are our own, as a study file gives them (search/sampling asks them).

Options of Optuna's samplers are Optuna's to check, when the run begins: that takes its import.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paretune.search.study.spec import Selection
from paretune.spaces.params import Params

Model = Literal["trees", "gaussian"]


class AutoParams(Params):
    """Options of `auto`; any others go on to Optuna's TPE."""

    thompson: bool = Field(
        True, description="take `thompson` for networks, and where objectives are known untrained"
    )
    cost_aware: bool = Field(True, description="weigh what a network may add against its training")
    model: Model | None = Field(
        None,
        description="of `thompson`; of itself trees for your own trainer, gaussian for networks",
    )


class ThompsonParams(Params):
    """Options of the samplers forest and evolution."""

    pool: int = Field(512, ge=1, le=100_000, description="uniform draws of which one may be tried")
    mutations: int = Field(128, ge=0, le=100_000, description="changed members of the front")
    trees: int = Field(6, ge=1, le=1000, description="whose mean is a draw")
    noise: float = Field(
        1.0, ge=0, le=10, description="of a draw, in errors of the mean of the trees"
    )
    startup: int = Field(10, ge=1, le=10_000, description="uniform draws before there is a model")
    ranks: bool = Field(
        True, description="grow the trees on the order of what was told, not on its values"
    )
    counts: bool = Field(
        True, description="learn also from how often a label occurs among choices of the same ones"
    )
    model: Model = Field(
        "trees", description="of what training tells: few trees, or a Gaussian process"
    )
    draw: Literal["thompson", "mean"] = Field(
        "thompson", description="explore by draws, or go by the mean (of ten times the trees)"
    )


OPTIONS: dict[str, type[Params]] = {
    "auto": AutoParams,
    "thompson": ThompsonParams,
    "evolution": ThompsonParams,
}
"""Sampler -> its options."""


def has_model(sampler: Selection) -> bool:
    """Whether a sampler proposes by a model of ours, where the study has something to learn."""
    return sampler.name in ("auto", "thompson") and bool(sampler.params.get("thompson", True))
