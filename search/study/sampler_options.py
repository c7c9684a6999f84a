"""Options of Paretune's own samplers in a study file; search/sampling uses them.

Optuna checks the options of its samplers when a run begins: its import takes too long for `check`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paretune.search.study.spec import Selection
from paretune.spaces.params import Params

Surrogate = Literal["ensemble", "random_forest", "gaussian_process"]


class AutoParams(Params):
    """Options of `auto`; all others are passed on to Optuna's TPE sampler."""

    thompson: bool = Field(
        True,
        description="use the sampler thompson for networks, if objectives are known without "
        "training, and for several objectives; false: use TPE",
    )
    cost_aware: bool = Field(
        True, description="divide a network's expected gain by the training that it still needs"
    )
    surrogate: Surrogate | None = Field(
        None,
        description="model that thompson learns from trials; null: ensemble, but TPE without a "
        "model for a single objective that your own trainer measures",
    )


class ThompsonParams(Params):
    """Options of the sampler thompson."""

    pool: int = Field(
        512, ge=1, le=100_000, description="uniform random candidates that a proposal chooses from"
    )
    mutations: int = Field(
        128, ge=0, le=100_000, description="further candidates: changed trials of the front"
    )
    trees: int = Field(6, ge=1, le=1000, description="trees of the random forest")
    noise: float = Field(
        1.0,
        ge=0,
        le=10,
        description="spread of a Thompson draw, in standard errors of the surrogate's mean",
    )
    startup_trials: int = Field(
        10, ge=1, le=10_000, description="first trials, proposed before a surrogate is fitted"
    )
    rank_transform: bool = Field(
        True, description="fit the random forest to the ranks of the results, not to their values"
    )
    label_counts: bool = Field(
        True,
        description="also learn from how often a label occurs among choices with equal labels",
    )
    surrogate: Surrogate = Field(
        "ensemble",
        description="model that is fitted to the results of the trials; ensemble: both, each "
        "weighted by how well it predicts trials that it was not fitted to",
    )
    acquisition: Literal["expected", "thompson", "mean"] | None = Field(
        None,
        description="expected: the hypervolume improvement that the surrogate expects; thompson: "
        "that in a random draw from the surrogate; mean: that at its mean (of ten times as many "
        "trees); null: thompson for networks whose training has a known price, else expected",
    )


class EvolutionParams(Params):
    """The sampler evolution has no options."""


SAMPLER_OPTIONS: dict[str, type[Params]] = {
    "auto": AutoParams,
    "thompson": ThompsonParams,
    "evolution": EvolutionParams,
}
"""Sampler -> its options."""


def uses_surrogate(sampler: Selection) -> bool:
    """Returns whether a sampler may propose by a surrogate of Paretune's own."""
    return sampler.name in ("auto", "thompson") and bool(sampler.params.get("thompson", True))
