"""Which sampler `auto` takes for a trial, and the options of each.

A good sampler costs milliseconds a proposal, which trials of seconds do not notice and trials of
microseconds do. So `auto` allows it a twentieth of the time that the trials have taken, and five
seconds in any case, by what such a proposal costs on a common machine: not by a clock, so that a
resumed run chooses as an uninterrupted one would.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.sampler_options import AutoParams, ThompsonParams, uses_surrogate
from paretune.search.study.spec import Selection

SHARE = 0.05
"""Of the trials' time that proposals may take."""

FREE = 5.0
"""Seconds that they may take in any case: hundreds of good proposals in the quickest study."""

COST = {"random_forest": 0.012, "gaussian_process": 0.06, "tpe": 0.025}
"""Seconds of a proposal."""

BLOCK = 50
"""Trials after which the time is looked at again, so that two runs hardly ever differ."""


class SamplerChoice:
    """The sampler of each trial.

    Args:
        sampler: Of the study file.
        model: By which `thompson` would go here; None where nothing is known without training.
    """

    def __init__(self, sampler: Selection, model: str | None) -> None:
        self._name = sampler.name
        taken = model if uses_surrogate(sampler) else None
        self._model = "thompson" if taken else "tpe"
        self._cost = COST[taken or "tpe"]
        self._told = 0
        self._timed = 0
        self._seconds = 0.0
        self._allowed = FREE

    @property
    def optuna(self) -> bool:
        """Whether one of Optuna's samplers may be asked."""
        return self._name not in ("thompson", "evolution") and self._auto_model != "thompson"

    @property
    def _auto_model(self) -> str | None:
        return self._model if self._name == "auto" else None

    def add(self, seconds: float | None) -> None:
        """A trial has ended that took so long; None where that is not known."""
        self._told += 1
        if seconds is not None:
            self._timed += 1
            self._seconds += seconds
        if self._told % BLOCK == 0:
            self._allowed = max(FREE, SHARE * self._seconds)

    def sampler(self, number: int) -> str:
        """The sampler for this trial number: a key of SAMPLERS."""
        model = self._auto_model
        if model is None:
            return self._name
        if self._timed and (number - 1) // BLOCK * BLOCK * self._cost > self._allowed:
            return "evolution"
        return "auto" if model == "tpe" else model


def surrogate_of(sampler: Selection, cheap: bool, cost: bool) -> str | None:
    """By what `auto` learns from training: None is TPE's way.

    Args:
        sampler: Of the study file.
        cheap: Whether objectives are known without training.
        cost: Whether it is known what training costs, as that of a network is.
    """
    return sampler.params.get("surrogate") or (
        "gaussian_process" if cost else "random_forest" if cheap else None
    )


def thompson_options(sampler: Selection, model: str | None) -> ThompsonParams:
    """The options of our own samplers; their defaults for another.

    Args:
        sampler: Of the study file.
        model: Of `auto`.
    """
    if sampler.name in ("thompson", "evolution"):
        return ThompsonParams.model_validate(dict(sampler.params))
    return ThompsonParams.model_validate({"surrogate": model or "random_forest"})


def optuna_options(sampler: Selection) -> Mapping[str, Any]:
    """The options that go on to Optuna's sampler: of `auto` those that are not its own."""
    own = AutoParams.model_fields if sampler.name == "auto" else {}
    return {name: value for name, value in sampler.params.items() if name not in own}
